/** The tasks of deno.json explain themselves. */
import { ROOT } from "../../lib/paths.ts";
import { run } from "../../lib/programs.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";

const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`)) as {
  tasks: Record<string, { description?: string; command: string }>;
};

Deno.test("deno task NAME --help: prints its usage, exits with 0 and does nothing", async (t) => {
  const files = () => run("git", ["status", "--porcelain", "--ignored=no"], { cwd: ROOT });
  const before = (await files()).stdout;
  for (const name of Object.keys(tasks)) {
    await t.step(name, async () => {
      const { code, stdout, stderr } = await run(Deno.execPath(), ["task", "--quiet", name, "--help"], {
        cwd: ROOT,
        env: { NO_COLOR: "1" },
      });
      assertEquals(code, 0, stderr);
      assertMatch(stdout, /usage:|^ *deno task [a-z]/im);
    });
  }
  assertEquals((await files()).stdout, before);
});

Deno.test("deno.json: each task has a description", () => {
  const silent = Object.entries(tasks).filter(([, { description }]) => !description).map(([name]) => name);
  assertEquals(silent, []);
  assert(Object.keys(tasks).length > 10);
});

Deno.test("deno.json: each test that a task names is there", async () => {
  const named = Object.values(tasks).flatMap(({ command }) => command.match(/\b[\w/]+_test\.ts\b/g) ?? []);
  assert(named.length > 5);
  for (const path of named) assert((await Deno.stat(`${ROOT}/${path}`)).isFile, path);
});
