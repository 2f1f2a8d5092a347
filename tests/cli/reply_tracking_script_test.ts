/** scripts/test-reply-tracking.ts on a real stack, with the simulated SendGrid. */
import { assertEquals, assertMatch } from "../support/assert.ts";
import { document, file, sql, stack } from "../support/cli.ts";
import { ROOT } from "../../lib/paths.ts";
import { run } from "../../lib/programs.ts";

const script = (...args: string[]) =>
  run(Deno.execPath(), ["run", "-A", "--no-check", "scripts/test-reply-tracking.ts", ...args], {
    cwd: ROOT,
    env: { GATELINK_STACK: file, NO_COLOR: "1" },
  });

async function code(address: string): Promise<string> {
  const response = await fetch(`${stack.url}/simulator/sendgrid/mails`);
  const { sent } = await response.json() as { sent: { to: { email: string }[]; text: string }[] };
  return /^\d{8}/.exec(sent.find(({ to }) => to[0].email === address)!.text)![0];
}

Deno.test("scripts/test-reply-tracking.ts: sends, answers and checks the way to the inbox, by token and by legacy address", async () => {
  const [active] = await document("email identities list");
  if (active === undefined) {
    const early = await script();
    assertEquals(early.code, 1);
    assertMatch(early.stderr, /no verified identity/);
  }
  await document("email identities add tester@example.com --user tester --forward-to tester@corp.example");
  await document(`email identities verify tester@example.com ${await code("tester@example.com")}`);
  const nowhere = await script("--user", "tester");
  assertEquals(nowhere.code, 1);
  assertMatch(nowhere.stderr, /nobody gets the answers/);
  await document(`email identities verify tester@example.com ${await code("tester@corp.example")} --inbox`);

  const token = await script("--user", "tester");
  assertEquals(token.code, 0, token.stdout + token.stderr);
  assertMatch(token.stdout, /is found by token[\s\S]*forwarded to the identity's inbox/);

  await sql`update public.settings set value = 'false' where key = 'email_reply_tokens.enabled'`;
  const legacy = await script("--user", "tester", "--to", "other@example.org");
  assertEquals(legacy.code, 0, legacy.stdout + legacy.stderr);
  assertMatch(legacy.stdout, /is found by legacy/);
});
