/** All four ways back are drilled, in CI as by a person. */
// Loaded by the command, what it imports would change globals in the middle of the test.
import "../../cli/commands/drill/run.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { runGatelink } from "../support/gatelink.ts";

Deno.test("gatelink drill: each of the four rollback levels works, verified from outside, within its time", async () => {
  // It needs no stack, and takes none that is there.
  const { code, out, err, json } = await runGatelink(["drill", "--json"], {
    env: { GATELINK_STACK: "/nowhere/stack.json" },
  });
  assertEquals(err, "");
  const { ok, levels } = json();
  for (const { level, took_ms, seen } of levels) console.log(`level ${level}: ${took_ms} ms; ${seen}`);
  assertEquals([code, ok, levels.map(({ level }: { level: number }) => level)], [0, true, [1, 2, 3, 4]], out);
  for (const { took_ms, within_ms } of levels) assert(took_ms > 0 && took_ms <= within_ms, out);
});

/** Which levels work beside each state; the others say at once what blocks them. */
const WORK: [beside: string, levels: number[], blockedBy: RegExp][] = [
  ["full-segments", [1, 2, 3, 4], /^(?!)/],
  [
    "open-transaction",
    [2, 3],
    /process \d+ \(\w+\), for \d+ s: lock table.*gatelink rollback [23].*pg_terminate_backend|pg_terminate_backend.*gatelink rollback 2/s,
  ],
  ["read-only", [2, 3], /accepts no writes.*gatelink rollback 2/s],
];

for (const [beside, work, blockedBy] of WORK) {
  Deno.test(`gatelink drill --beside ${beside}: each way back works in time, or says at once what blocks and which other way works`, async () => {
    const { code, out, err, json } = await runGatelink(["drill", "--beside", beside, "--json"], {
      env: { GATELINK_STACK: "/nowhere/stack.json" },
    });
    assertEquals(err, "");
    const { levels } = json();
    for (const { level, took_ms, seen } of levels) console.log(`level ${level}: ${took_ms} ms; ${seen}`);
    assertEquals([code, levels.filter((one: { ok: boolean }) => !one.ok)], [0, []], out);
    assertEquals(
      levels.filter((one: { blocked: boolean }) => !one.blocked).map(({ level }: { level: number }) => level),
      work,
    );
    for (const { blocked, seen } of levels) if (blocked) assertMatch(seen, blockedBy);
  });
}
