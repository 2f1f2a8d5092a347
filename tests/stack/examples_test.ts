/** The examples: each service takes what Gatelink signs and nothing else, and the page's link opens a chat. */
import { join, ROOT } from "../../lib/paths.ts";
import { sign } from "../../supabase/functions/_shared/delivery/sign.ts";
import { checkMessage } from "../../supabase/functions/_shared/channels/whatsapp/outbound/outbound.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { runGatelink } from "../support/gatelink.ts";
import { hasProgram } from "../support/program.ts";
import { startStack } from "../support/stack.ts";
import { testDatabase } from "../support/postgres.ts";

const EXAMPLES = join(ROOT, "examples");
const SECRETS = [1, 2].map((n) => "whsec_" + btoa(`secret number ${n}, of 32 bytes...`));

const SERVICES: [language: string, command: string[], there: boolean][] = [
  ["Deno", [Deno.execPath(), "run", "-A", "--quiet", join(EXAMPLES, "deno", "service.ts")], true],
  ["Node", ["node", join(EXAMPLES, "node", "service.mjs")], await hasProgram("node", "the example in Node")],
  [
    "Python",
    ["python3", join(EXAMPLES, "python", "service.py")],
    await hasProgram("python3", "the example in Python"),
  ],
];

const BODY = JSON.stringify({
  type: "message.received",
  timestamp: "2026-11-21T10:00:00+00:00",
  data: {
    message: { id: "01968f00-0000-7000-8000-000000000001", type: "text", text: "Ça va? 🌷", choice: null },
    contact: { id: "01968f00-0000-7000-8000-0000000000c1", name: "Nora" },
  },
});

interface Signed {
  body?: string;
  secrets?: string[];
  /** Seconds that it is old. */
  age?: number;
  id?: string;
}

/** Sends a delivery as Gatelink does, signed by its own code. */
async function deliver(
  url: string,
  { body = BODY, secrets = [SECRETS[0]], age = 0, id = crypto.randomUUID() }: Signed = {},
  changed: Record<string, string> = {},
) {
  const timestamp = Math.floor(Date.now() / 1000) - age;
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      "webhook-id": id,
      "webhook-timestamp": String(timestamp),
      "webhook-signature": sign({ id, timestamp, body, secrets }),
      ...changed,
    },
    body,
  });
  return { status: response.status, answer: await response.json() };
}

/** Starts an example and gives its address as it prints it. */
async function started([command, ...args]: string[], secrets: string[]) {
  const child = new Deno.Command(command, {
    args,
    env: { WEBHOOK_SECRETS: secrets.join(","), PORT: "0" },
    stdin: "null",
    stdout: "piped",
  }).spawn();
  let said = "";
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  while (!/listening on \S+\n/.test(said)) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`${command} ended: ${said}`);
    said += value;
  }
  return {
    url: /listening on (\S+)/.exec(said)![1],
    async stop() {
      child.kill("SIGTERM");
      await reader.cancel();
      await child.status;
    },
  };
}

for (const [language, command, there] of SERVICES) {
  Deno.test({
    name: `examples: the service in ${language} replies to signed requests and refuses all others`,
    ignore: !there,
    fn: async () => {
      const { url, stop } = await started(command, SECRETS);
      try {
        const id = crypto.randomUUID();
        const first = await deliver(url, { id });
        assertEquals(first, {
          status: 200,
          answer: { replies: [{ type: "text", text: { body: "You wrote: Ça va? 🌷" } }] },
        });
        for (const reply of first.answer.replies) assert(checkMessage(reply).ok);
        assertEquals(await deliver(url, { id }), first, "a repeated one");
        assertEquals((await deliver(url, { secrets: [SECRETS[1]] })).status, 200, "the other secret");
        assertEquals(
          (await deliver(url, { secrets: SECRETS.toReversed() })).status,
          200,
          "both, in a rotation",
        );
        const unknown = await deliver(url, { body: JSON.stringify({ type: "gatelink.test", data: {} }) });
        assertEquals(unknown, { status: 200, answer: {} }, "an event that it does not know");

        const stranger = "whsec_" + btoa("a secret of nobody, of 32 bytes.");
        const refused: [about: string, signed: Signed, changed?: Record<string, string>][] = [
          ["another secret", { secrets: [stranger] }],
          ["six minutes old", { age: 360 }],
          ["from the future", { age: -360 }],
          ["another body", {}, {
            "webhook-signature": sign({ id, timestamp: 1, body: "{}", secrets: SECRETS }),
          }],
          ["another id", {}, { "webhook-id": "another" }],
          ["no time", {}, { "webhook-timestamp": "now" }],
          ["no signature", {}, { "webhook-signature": "" }],
        ];
        for (const [about, signed, changed] of refused) {
          assertEquals((await deliver(url, signed, changed)).status, 401, about);
        }
      } finally {
        await stop();
      }
    },
  });
}

Deno.test("examples: the page's button and QR code lead to a link of a stack, which opens the chat", async () => {
  const page = await Deno.readTextFile(join(EXAMPLES, "link", "index.html"));
  const [button, code] = [/<a [^>]*href="([^"]+)"/.exec(page)![1], /<img src="([^"]+)"/.exec(page)![1]];
  const database = await testDatabase();
  const stack = await startStack({ env: { DATABASE_URL: database.url } });
  try {
    const env = { GATELINK_STACK: join(stack.dir, "stack.json") };
    const { out, code: exit } = await runGatelink(
      ["links", "add", "--whatsapp", "Hello! I saw your poster.", "--code", "poster", "--json"],
      { env },
    );
    assertEquals(exit, 0, out);
    const at = (address: string) => address.replace("http://127.0.0.1:54321", stack.url);
    assertEquals(at(button), JSON.parse(out).url);
    const visit = await fetch(at(button), {
      redirect: "manual",
      headers: { "user-agent": "Mozilla/5.0 (iPhone)" },
    });
    await visit.body?.cancel();
    assertMatch(visit.headers.get("location") ?? "", /^https:\/\/wa\.me\/\d+\?text=Hello/);
    const picture = await fetch(at(code));
    assertEquals([picture.status, picture.headers.get("content-type")], [200, "image/svg+xml"]);
    assertMatch(await picture.text(), /^<svg/);
  } finally {
    await stack.stop();
    await database.drop();
  }
});
