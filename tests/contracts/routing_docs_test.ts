/** docs/routing.md: every condition can be stored, every sample verifies, every body fits its schema. */
import { assert, assertEquals } from "../support/assert.ts";
import { join } from "node:path";
import { ROOT } from "../../lib/paths.ts";
import { sign } from "../../supabase/functions/_shared/delivery/sign.ts";
import { compile } from "../../supabase/functions/_shared/routing/compile.ts";
import {
  CONDITION_TYPES,
  parseCondition,
  TEXT_MATCHES,
} from "../../supabase/functions/_shared/contract/routing/condition.ts";
import { checkMessage } from "../../supabase/functions/_shared/channels/whatsapp/outbound/outbound.ts";
import { assertFits } from "../support/openapi.ts";
import { hasProgram } from "../support/program.ts";

const PAGE = await Deno.readTextFile(join(ROOT, "docs", "routing.md"));

/** The blocks whose fence says this, such as "json condition". */
function blocks(info: string): string[] {
  const found = [...PAGE.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].filter(([, said]) => said === info);
  assert(found.length > 0, info);
  return found.map(([, , text]) => text);
}

const CONDITIONS: unknown[] = blocks("json condition").flatMap((block) =>
  block.trim().split("\n").map((line) => JSON.parse(line))
);

/** The types of a condition and of those inside. */
function typesOf(condition: unknown): string[] {
  if (Array.isArray(condition)) return condition.flatMap(typesOf);
  const { type, of } = condition as { type: string; of?: unknown };
  return [type, ...(of === undefined ? [] : typesOf(of))];
}

Deno.test("docs/routing.md: every condition can be stored and used", async () => {
  for (const condition of CONDITIONS) await compile(parseCondition(condition));
});

Deno.test("docs/routing.md: every condition type and every kind of text match has an example", () => {
  assertEquals([...new Set(CONDITIONS.flatMap(typesOf))].toSorted(), CONDITION_TYPES.toSorted());
  const matches = CONDITIONS.flatMap((condition) => (condition as { match?: string }).match ?? []);
  assertEquals([...new Set(matches)].toSorted(), TEXT_MATCHES.toSorted());
});

Deno.test("docs/routing.md: the sample event and replies match their schemas", () => {
  for (const block of blocks("json event")) assertFits(JSON.parse(block), "components", "schemas", "Event");
  for (const block of blocks("json replies")) {
    const answer = JSON.parse(block);
    assertFits(answer, "components", "schemas", "Replies");
    for (const reply of answer.replies) assert(checkMessage(reply).ok, JSON.stringify(reply));
  }
});

const SECRETS = [1, 2].map((n) => "whsec_" + btoa(`secret number ${n}, of 32 bytes...`));
const BODY = '{"text":"Ça va? 🌷"}';

interface Case {
  name: string;
  headers: Record<string, string>;
  body: string;
  secrets: string[];
  good: boolean;
}

function cases(): Case[] {
  const id = crypto.randomUUID();
  const now = Math.floor(Date.now() / 1000);
  const headers = (secrets: string[], timestamp = now) => ({
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": sign({ id, timestamp, body: BODY, secrets }),
  });
  const [first, second] = SECRETS;
  const signed = headers([first]);
  const made = (name: string, good: boolean, changes: Partial<Case> = {}): Case => ({
    ...{ name, good, headers: signed, body: BODY, secrets: [first] },
    ...changes,
  });
  const without = (name: string) =>
    Object.fromEntries(Object.entries(signed).filter(([each]) => each !== name));
  return [
    made("signed", true),
    made("signed by both while rotating, the service has the old one", true, {
      headers: headers(SECRETS),
    }),
    made("signed by both, the service has the new one", true, {
      headers: headers(SECRETS),
      secrets: [second],
    }),
    made("the service has both", true, { secrets: [second, first] }),
    made("another secret", false, { secrets: [second] }),
    made("no secret", false, { secrets: [] }),
    made("another body", false, { body: `${BODY} ` }),
    made("another id", false, { headers: { ...signed, "webhook-id": crypto.randomUUID() } }),
    made("another time", false, { headers: { ...signed, "webhook-timestamp": String(now + 1) } }),
    made("six minutes old", false, { headers: headers([first], now - 360) }),
    made("from the future", false, { headers: headers([first], now + 360) }),
    made("no number for a time", false, { headers: { ...signed, "webhook-timestamp": "NaN" } }),
    made("nonsense for a signature", false, { headers: { ...signed, "webhook-signature": "v1,é v2, x" } }),
    made("an empty signature", false, { headers: { ...signed, "webhook-signature": "" } }),
    ...Object.keys(signed).map((name) => made(`no ${name}`, false, { headers: without(name) })),
  ];
}

Deno.test("docs/routing.md: the TypeScript sample accepts signed requests and nothing else", async () => {
  const [code] = blocks("ts signature");
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, code);
  const { isSigned } = await import(`file://${file}`);
  await Deno.remove(file);
  for (const { name, headers, body, secrets, good } of cases()) {
    const sent = new Headers();
    // As on the wire: header values are bytes.
    for (const [key, value] of Object.entries(headers)) sent.set(key, value);
    assertEquals(isSigned(sent, body, secrets), good, name);
  }
});

const PYTHON = await hasProgram("python3", "the Python sample of docs/routing.md");

Deno.test({
  name: "docs/routing.md: the Python sample accepts signed requests and nothing else",
  ignore: !PYTHON,
  fn: async () => {
    const [code] = blocks("python signature");
    const all = cases();
    const program = `${code}
import json, sys
for case in json.load(sys.stdin):
    print(is_signed(case["headers"], case["body"].encode(), case["secrets"]))
`;
    const child = new Deno.Command("python3", {
      args: ["-c", program],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(JSON.stringify(all)));
    await writer.close();
    const { stdout, stderr } = await child.output();
    const lines = new TextDecoder().decode(stdout).trim().split("\n");
    assertEquals(
      lines.map((line, i) => `${all[i]?.name}: ${line}`),
      all.map(({ name, good }) => `${name}: ${good ? "True" : "False"}`),
      new TextDecoder().decode(stderr),
    );
  },
});
