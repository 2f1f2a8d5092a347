/** Habits of the panel's sources that no compiler holds. */
import { assert, assertEquals } from "../support/assert.ts";
import { ROOT } from "../../lib/paths.ts";

Deno.test("panel: states are shown with State, whose colours are readable, never with a custom badge", async () => {
  const { stdout } = await new Deno.Command("git", { args: ["ls-files", "admin/src/**/*.tsx"], cwd: ROOT })
    .output();
  const paths = new TextDecoder().decode(stdout).trim().split("\n");
  assert(paths.includes("admin/src/ui/State.tsx"));
  const coloured: string[] = [];
  for (const path of paths) {
    const source = await Deno.readTextFile(`${ROOT}/${path}`);
    for (const [badge] of source.matchAll(/<Badge\b[^>]*\bcolor=(?!"gray")[^>]*>/g)) {
      coloured.push(`${path}: ${badge}`);
    }
  }
  assertEquals(coloured, []);
});

Deno.test("panel: the palette leads to each tab of the settings", async () => {
  const tabs = await Deno.readTextFile(`${ROOT}/admin/src/pages/settings/index.tsx`);
  const places = await Deno.readTextFile(`${ROOT}/admin/src/shell/palette/places.ts`);
  const named = [...tabs.matchAll(/^ {2}\["(\w+)", "([^"]+)",/gm)].map(([, tab, title]) => `${title} ${tab}`);
  const led = [...places.matchAll(/label: "Settings: ([^"]+)"[^}]*?tab=(\w+)/gs)].map(([, title, tab]) =>
    `${title} ${tab}`
  );
  assert(named.length > 5);
  assertEquals(led.toSorted(), named.toSorted());
});

Deno.test("panel: the examples below empty lists stand in the CLI's help, word for word", async () => {
  const { stdout } = await new Deno.Command("git", { args: ["ls-files", "admin/src/pages"], cwd: ROOT })
    .output();
  const paths = new TextDecoder().decode(stdout).trim().split("\n").filter((path) => path.endsWith(".tsx"));
  const help = (await Deno.readTextFile(`${ROOT}/docs/cli.md`)).split("\n").map((line) => line.trim());
  const shown: string[] = [];
  for (const path of paths) {
    const source = await Deno.readTextFile(`${ROOT}/${path}`);
    for (const [, quoted, ticked, single] of source.matchAll(EXAMPLE)) {
      const command = quoted ?? ticked ?? single;
      shown.push(command.split(" ")[1]);
      assert(help.includes(command), `${path}: ${command}`);
    }
  }
  assertEquals(shown.toSorted(), ["destinations", "flags", "links", "rollout", "routes", "templates"]);
});

const EXAMPLE = /<Example\s+command=(?:"([^"]+)"|\{`([^`]+)`\}|'([^']+)')/g;
