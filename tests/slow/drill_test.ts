/** All four ways back are drilled, in CI as by a person. */
// Loaded by the command, what it imports would change globals in the middle of the test.
import "../../cli/commands/drill/run.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { runGatelink } from "../support/gatelink.ts";

Deno.test("gatelink drill: each of the four ways back works, verified from outside, within what it may take", async () => {
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
