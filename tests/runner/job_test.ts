import { assert, assertEquals } from "../support/assert.ts";
import { VARIABLE_NAMES } from "../../supabase/functions/_shared/config/env.ts";
import { isRunning } from "../../lib/processes.ts";
import { join, ROOT } from "../../lib/paths.ts";
import { until } from "../support/until.ts";
import { cleanEnvironment, counted, runJob } from "./job.ts";

Deno.test("counted(): reads Deno's closing line, in colours, with steps and ignored tests", () => {
  const cases: [output: string, code: number, passed: number, failed: number, ignored: number][] = [
    ["\nok | 12 passed | 0 failed (1s)\n\n", 0, 12, 0, 0],
    ["\n\x1b[32mok\x1b[0m | 12 passed (3 steps) | 0 failed \x1b[38;5;245m(1s)\x1b[0m\n", 0, 12, 0, 0],
    ["\nFAILED | 1 passed (2 steps) | 2 failed (1 step) (1m2s)\n\nerror: Test failed\n", 1, 1, 2, 0],
    ["\nok | 4 passed | 0 failed | 44 ignored (9ms)\n", 0, 4, 0, 44],
    [
      "x ... ok (1ms)\nok | 9 passed | 0 failed (1s)\n said a test\n\nok | 2 passed | 0 failed (1s)\n",
      0,
      2,
      0,
      0,
    ],
  ];
  for (const [output, code, passed, failed, ignored] of cases) {
    assertEquals(counted(output, code), { passed, failed, ignored }, output);
  }
});

Deno.test("counted(): a process that fails without a failed test, or reports nothing, counts as a failure", () => {
  assertEquals(counted("error: Module not found", 1).failed, 1);
  assertEquals(counted("", 0).failed, 1);
  assertEquals(counted("", 0, true).failed, 1);
  const nothing = "\nok | 0 passed | 0 failed | 3 filtered out (0ms)\n";
  assertEquals(counted(nothing, 0).failed, 1);
  assertEquals(counted(nothing, 0, true).failed, 0, "whoever chooses by name finds none in some");
  assertEquals(counted("\nok | 2 passed | 0 failed (1s)\n", 137), { passed: 2, failed: 1, ignored: 0 });
});

Deno.test("cleanEnvironment(): no project, database or switch of the developer reaches a test", () => {
  const kept = { PATH: "/bin", HOME: "/home/a", CHROMIUM_PATH: "/c", NO_COLOR: "1" };
  const foreign = {
    SUPABASE_URL: "x",
    SUPABASE_SECRET_KEYS: "x",
    WHATSAPP_APP_SECRET: "x",
    DATABASE_URL: "x",
    GATELINK_STACK: "x",
    FEATURE_ENABLED: "false",
    DEEPLINKS_ENABLED: "false",
    LINK_DOMAIN: "x",
    INIT_CWD: "x",
    GITHUB_TOKEN: "x",
    ...Object.fromEntries(VARIABLE_NAMES.map((name) => [name, "x"])),
  };
  assertEquals(cleanEnvironment({ ...kept, ...foreign }), kept);
});

/** Runs a test file of this text. */
async function runText(
  text: string,
  signal: AbortSignal,
  file: string,
): Promise<Awaited<ReturnType<typeof runJob>>> {
  await Deno.writeTextFile(file, text);
  const args = [`--config=${join(ROOT, "deno.json")}`];
  return await runJob({ tier: "slow", files: [file], name: "x" }, { env: {}, args, signal });
}

Deno.test("runJob(): a file without tests is reported as a failure", async () => {
  const folder = await Deno.makeTempDir();
  const { passed, failed, output } = await runText(
    "console.log(1);",
    new AbortController().signal,
    join(folder, "a_test.ts"),
  );
  assertEquals([passed, failed], [0, 1]);
  assert(output.includes("There is no test in it."), output);
  await Deno.remove(folder, { recursive: true });
});

Deno.test({
  name: "runJob(): an abort ends everything the tests started, and a process left running does not block",
  ignore: Deno.build.os === "windows",
  async fn() {
    const folder = await Deno.makeTempDir();
    const started = join(folder, "pid");
    const stop = new AbortController();
    const ran = runText(
      `Deno.test("hangs", async () => {
        const child = new Deno.Command("sleep", { args: ["600"] }).spawn();
        await Deno.writeTextFile(${JSON.stringify(started)}, String(child.pid));
        await child.status;
        await new Promise((done) => setTimeout(done, 600_000));
      });`,
      stop.signal,
      join(folder, "a_test.ts"),
    );
    const pid = await until("it runs", () => Number(Deno.readTextFileSync(started)));
    stop.abort();
    assertEquals((await ran).failed, 1);
    assertEquals(isRunning(pid), false);
    await Deno.remove(folder, { recursive: true });
  },
});
