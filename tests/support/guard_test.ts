/** The guard, on tests that leave something behind: each is failed by name, and the next one begins as it should. */
import { assert, assertEquals } from "./assert.ts";
import { join, ROOT } from "../../lib/paths.ts";

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
Deno.test("key", () => { globalThis.leftBehind = 1; });
Deno.test("member", () => { Deno.readFile = () => {}; });
Deno.test("reader", () => { Deno.env.get = () => "x"; });
Deno.test("umask", () => { Deno.umask(0o001); });
Deno.test("listener", () => addEventListener("heard", () => { globalThis.heard = true; }));
Deno.test("signal", () => Deno.addSignalListener("SIGHUP", () => {}));
Deno.test("watched", () => { singleton++; });
Deno.test("clean", () => {
  if (Deno.env.has("LEFT_BEHIND") || !Deno.env.has("HOME") || Deno.cwd() === "/" || performance.now !== real) {
    throw new Error("met what another left behind");
  }
  dispatchEvent(new Event("heard"));
  if ("heard" in globalThis || "leftBehind" in globalThis) throw new Error("heard another's listener");
  Deno.env.set("LEFT_BEHIND", "1");
  Deno.env.delete("LEFT_BEHIND");
  const listener = () => {};
  addEventListener("error", listener);
  removeEventListener("error", listener);
});
`;

Deno.test("guard: a test that leaves something behind fails by name, and the next one is not affected", async () => {
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
    ["key", "globalThis.leftBehind"],
    ["member", "Deno.readFile"],
    ["reader", "Deno.env.get"],
    ...Deno.build.os === "windows" ? [] : [["umask", "another umask"]],
    ["listener", "a listener of heard"],
    ["signal", "a listener of SIGHUP"],
    ["watched", "the singleton"],
  ]);
  assert(output.includes(`1 passed | ${said.length} failed`), output);
  assert(!output.includes("a secret"));
});
