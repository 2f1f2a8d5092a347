/** The guard, on tests that leave something behind: each is failed by name, and the next one begins as it should. */
import { assert, assertEquals } from "@std/assert";
import { join, ROOT } from "../../local/paths.ts";

const LEAKS = `
import { watch } from ${JSON.stringify(`file://${join(ROOT, "tests", "support", "guard.ts")}`)};
let singleton = 0;
watch("the singleton", () => singleton);
const real = performance.now;
Deno.test("variable", () => Deno.env.set("LEFT_BEHIND", "a secret"));
Deno.test("removed", () => Deno.env.delete("HOME"));
Deno.test("folder", () => Deno.chdir("/"));
Deno.test("clock", () => { performance.now = () => 0; });
Deno.test("global", () => { globalThis.EdgeRuntime = {}; });
Deno.test("listener", () => addEventListener("unhandledrejection", () => {}));
Deno.test("signal", () => Deno.addSignalListener("SIGHUP", () => {}));
Deno.test("watched", () => { singleton++; });
Deno.test("clean", () => {
  if (Deno.env.has("LEFT_BEHIND") || !Deno.env.has("HOME") || Deno.cwd() === "/" || performance.now !== real) {
    throw new Error("met what another left behind");
  }
  Deno.env.set("LEFT_BEHIND", "1");
  Deno.env.delete("LEFT_BEHIND");
  const listener = () => {};
  addEventListener("error", listener);
  removeEventListener("error", listener);
});
`;

Deno.test("guard: a test that leaves something behind is failed by its name, and the next meets nothing of it", async () => {
  const folder = await Deno.makeTempDir({ prefix: "gatelink-guard-" });
  const file = join(folder, "leaks_test.ts");
  await Deno.writeTextFile(file, LEAKS);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["test", "-A", "--no-check", `--config=${join(ROOT, "deno.json")}`],
      ...[`--preload=${join(ROOT, "tests", "support", "guard.ts")}`, file],
    ],
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  await Deno.remove(folder, { recursive: true });
  const output = new TextDecoder().decode(stdout);
  const said = [...output.matchAll(/^(\w+) => .*\n.*the test leaves behind, for others to meet: (.*)$/gm)]
    .map(([, name, what]) => [name, what]);
  assertEquals(said, [
    ["variable", "the variable LEFT_BEHIND"],
    ["removed", "the variable HOME"],
    ["folder", "another working folder"],
    ["clock", "performance.now"],
    ["global", "globalThis.EdgeRuntime"],
    ["listener", "a listener of unhandledrejection"],
    ["signal", "a listener of SIGHUP"],
    ["watched", "the singleton"],
  ]);
  assert(output.includes("1 passed | 8 failed"), output);
  assert(!output.includes("a secret"));
});
