import { assert, assertEquals } from "@std/assert";
import { join, ROOT } from "../../local/paths.ts";
import { reachedBy, REACHES } from "./changed.ts";

const graph = new Map([
  ["tests/database/a_test.ts", ["tests/support/cluster.ts"]],
  ["tests/stack/b_test.ts", ["tests/support/stack.ts"]],
  ["tests/support/stack.ts", ["local/paths.ts"]],
  ["local/start.ts", ["local/stack.ts"]],
  ["cli/near_test.ts", ["cli/near.ts"]],
  ["cli/near.ts", []],
  ["tests/support/cluster.ts", []],
]);
const files = ["tests/database/a_test.ts", "tests/stack/b_test.ts", "cli/near_test.ts"];
const reached = (...changed: string[]) => reachedBy(changed, files, graph);

Deno.test("reachedBy(): by imports, by what is started, by what is read", () => {
  const cases: [changed: string, reached: string[]][] = [
    ["cli/near.ts", ["cli/near_test.ts"]],
    ["cli/near_test.ts", ["cli/near_test.ts"]],
    ["local/stack.ts", ["tests/stack/b_test.ts"]],
    ["supabase/migrations/1_a.sql", ["tests/database/a_test.ts"]],
    ["supabase/functions/flags/index.ts", ["tests/stack/b_test.ts"]],
  ];
  for (const [changed, expected] of cases) assertEquals(reached(changed), expected, changed);
  assertEquals(reached("cli/near.ts", "local/paths.ts"), ["tests/stack/b_test.ts", "cli/near_test.ts"]);
});

Deno.test("reachedBy(): a file that nothing is known of reaches all, one that nothing depends on reaches none", () => {
  assertEquals(reached("deno.json"), files);
  assertEquals(reached("CHANGELOG.md", "docs/adr/0001-x.md", "bench/links.ts"), []);
  assertEquals(reached(), []);
});

Deno.test("REACHES: names what there is", async () => {
  for (const [from, to] of Object.entries(REACHES)) {
    for (const path of [from, ...to]) {
      const { isDirectory } = await Deno.stat(join(ROOT, path));
      assert(isDirectory === path.endsWith("/"), path);
    }
  }
});
