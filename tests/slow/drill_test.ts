/** All four ways back are drilled, in CI as by a person. */
import { assert, assertEquals } from "@std/assert";
import { ROOT } from "../../local/paths.ts";

Deno.test("gatelink drill: each of the four ways back works, verified from outside, within what it may take", async () => {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "cli/main.ts", "drill", "--json"],
    cwd: ROOT,
    // It needs no stack, and takes none that is there.
    env: { GATELINK_STACK: "/nowhere/stack.json", NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const out = new TextDecoder().decode(stdout), err = new TextDecoder().decode(stderr);
  assertEquals(err, "");
  const { ok, levels } = JSON.parse(out);
  for (const { level, took_ms, seen } of levels) console.log(`level ${level}: ${took_ms} ms; ${seen}`);
  assertEquals([code, ok, levels.map(({ level }: { level: number }) => level)], [0, true, [1, 2, 3, 4]], out);
  for (const { took_ms, within_ms } of levels) assert(took_ms > 0 && took_ms <= within_ms, out);
});
