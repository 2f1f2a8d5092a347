import { assert, assertEquals } from "../support/assert.ts";
import { join, ROOT } from "../../lib/paths.ts";
import { EVERYWHERE, reachedBy, REACHES } from "./changed.ts";

const graph = new Map([
  ["tests/database/a_test.ts", ["tests/support/kept_cluster.ts"]],
  ["tests/stack/b_test.ts", ["tests/support/stack.ts"]],
  ["tests/support/stack.ts", ["lib/paths.ts"]],
  ["tests/support/tied_start.ts", ["local/start.ts"]],
  ["local/start.ts", ["local/stack.ts", "local/options.ts"]],
  ["cli/core/suggest_test.ts", ["cli/core/suggest.ts"]],
  ["cli/core/suggest.ts", []],
  ["tests/support/kept_cluster.ts", []],
]);
const files = ["tests/database/a_test.ts", "tests/stack/b_test.ts", "cli/core/suggest_test.ts"];
const reached = (...changed: string[]) => reachedBy(changed, files, graph);

Deno.test("reachedBy(): follows imports, started programs and files that are read", () => {
  const cases: [changed: string, reached: string[]][] = [
    ["cli/core/suggest.ts", ["cli/core/suggest_test.ts"]],
    ["cli/core/suggest_test.ts", ["cli/core/suggest_test.ts"]],
    ["local/stack.ts", ["tests/stack/b_test.ts"]],
    ["supabase/migrations/1_a.sql", ["tests/database/a_test.ts"]],
    ["supabase/functions/flags/index.ts", ["tests/stack/b_test.ts"]],
  ];
  for (const [changed, expected] of cases) assertEquals(reached(changed), expected, changed);
  assertEquals(reached("cli/core/suggest.ts", "lib/paths.ts"), [
    "tests/stack/b_test.ts",
    "cli/core/suggest_test.ts",
  ]);
});

Deno.test("reachedBy(): shared files and unknown files reach all tests; some files reach none", () => {
  for (const path of ["deno.json", "tests/support/guard.ts", "tests/run.ts", "nobody/knows.json"]) {
    assertEquals(reached(path), files, path);
  }
  assertEquals(reached(".gitignore", "bench/links.ts"), []);
  assertEquals(reached(), []);
});

Deno.test("REACHES: a file that is read or run without an import reaches its test", () => {
  const cases: [changed: string, test: string, imports: string[]][] = [
    ["supabase/config.toml", "local/functions/functions_test.ts", ["local/functions/functions.ts"]],
    ["supabase/schema.sql", "tests/contracts/schema_sql_test.ts", ["tools/docs/schema_sql.ts"]],
    ["docs/adr/0001-x.md", "tests/contracts/docs_test.ts", []],
    ["CHANGELOG.md", "tests/contracts/docs_test.ts", []],
    [".ci/run", "tests/contracts/docs_test.ts", []],
    ["ops/prometheus/alerts.yml", "tests/cli/gates_test.ts", []],
    ["admin/src/App.tsx", "local/panel/panel_test.ts", ["local/panel/build.ts"]],
    ["local/start.ts", "tests/slow/drill_test.ts", ["cli/commands/drill/stack.ts"]],
    ["local/functions/host.ts", "tests/stack/a_test.ts", ["local/functions/process.ts"]],
  ];
  for (const [changed, test, imports] of cases) {
    assertEquals(reachedBy([changed], ["a_test.ts", test], new Map([[test, imports]])), [test], changed);
  }
});

Deno.test("REACHES: names existing files only", async () => {
  for (const [from, to] of Object.entries(REACHES)) {
    for (const path of [from, ...to]) {
      const { isDirectory } = await Deno.stat(join(ROOT, path));
      assert(isDirectory === path.endsWith("/"), path);
    }
  }
});

/** A module that knows where the checkout is, or what lies beside itself, reads there or starts something there. */
const READS =
  /^import [^;]*\b(ROOT|MIGRATIONS|FUNCTIONS)\b[^;]*paths\.ts"|\bnew URL\([^;]*import\.meta\.url\)/m;

Deno.test("REACHES: lists every module that reads the checkout or starts a part of it", () => {
  const without: string[] = [];
  const look = (path: string): void => {
    for (const { name, isDirectory } of Deno.readDirSync(join(ROOT, path))) {
      const inner = `${path}/${name}`;
      if (isDirectory) look(inner);
      else if (/\.tsx?$/.test(name) && !(inner in REACHES) && !EVERYWHERE.test(inner)) {
        if (READS.test(Deno.readTextFileSync(join(ROOT, inner)))) without.push(inner);
      }
    }
  };
  for (const folder of ["cli", "lib", "local", "supabase/functions", "tests", "tools"]) look(folder);
  assertEquals(without, []);
});
