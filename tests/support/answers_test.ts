/** The tests' own check of what functions in SQL answer. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "./assert.ts";
import { join, ROOT } from "../../lib/paths.ts";
import { misfitOf } from "./answers.ts";

const RATE = { allowed: true, limit: 2, remaining: 1, reset_ms: 10, retry_after_ms: null };

Deno.test("misfitOf: accepts an answer that matches its declaration, or has none", () => {
  assertEquals(misfitOf("take_rate", RATE), undefined);
  assertEquals(misfitOf("schema_version", 5), undefined);
  assertEquals(misfitOf("toString", 5), undefined);
});

Deno.test("misfitOf: reports a missing member, a wrong type and an undeclared member", () => {
  const { limit: _, ...without } = RATE;
  for (
    const [answer, said] of [
      [without, /^take_rate: .*limit/],
      [{ ...RATE, reset_ms: "10" }, /^take_rate: .*reset_ms/],
      [{ ...RATE, resets_at: 10 }, /^take_rate: .*resets_at/],
      [null, /^take_rate: /],
    ] as const
  ) {
    const misfit = misfitOf("take_rate", answer);
    assert(misfit !== undefined, JSON.stringify(answer));
    assertMatch(misfit, said);
  }
});

const DRIFTED = `
import "${join(ROOT, "tests", "support", "answers_held.ts")}";
import { onAnswer } from "${join(ROOT, "local", "data_api", "data_api.ts")}";
const answered = async (body) => {
  const request = new Request("http://data.test/rest/v1/rpc/take_uses", { method: "POST" });
  for (const look of onAnswer) await look(request, Response.json(body));
};
Deno.test("fits", () => answered({ abc: 1 }));
Deno.test("drifted", () => answered({ abc: "one" }));
Deno.test("next", () => {});
`;

Deno.test("answers_held: only the test with the unexpected answer fails", async () => {
  const folder = await Deno.makeTempDir({ prefix: "gatelink-answers-" });
  const file = join(folder, "drifted_test.ts");
  await Deno.writeTextFile(file, DRIFTED);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", `--config=${join(ROOT, "deno.json")}`, file],
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  await Deno.remove(folder, { recursive: true });
  const output = new TextDecoder().decode(stdout);
  assertStringIncludes(output, "2 passed");
  assertMatch(output, /drifted => .*\n.*the contract says otherwise of what was answered:\ntake_uses: /);
});
