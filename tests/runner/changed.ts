/** Which tests a change can reach: by the graph of imports, and by what helpers start or read without importing it. */
import { fromFileUrl, join, ROOT } from "../../local/paths.ts";

/**
 * What a module reaches without an import: programs that it starts and files that it reads, as paths from the root; one
 * that ends in a slash stands for all that is below.
 */
export const REACHES: Readonly<Record<string, readonly string[]>> = {
  "tests/support/cluster.ts": ["supabase/migrations/"],
  "tests/support/stack.ts": [
    "local/start.ts",
    "local/functions_host.ts",
    "supabase/functions/",
    "local/simulator/",
  ],
  "tests/support/panel.ts": ["admin/"],
  "tests/support/cli.ts": ["cli/main.ts", "supabase/migrations/"],
  "tests/support/own_project.ts": ["cli/main.ts", "supabase/"],
  "tests/support/edge.ts": ["supabase/functions/"],
  "tests/support/openapi.ts": ["docs/openapi.yaml"],
  "tests/support/promtool.ts": ["ops/"],
  "tests/functions/leaks_test.ts": ["tests/support/logged_run.ts"],
  "tests/contracts/architecture_docs_test.ts": ["docs/"],
  "tests/contracts/docs_test.ts": ["README.md", "docs/", "cli/main.ts"],
  "tests/contracts/flags_doc_test.ts": ["docs/flags.md"],
  "tests/contracts/lint_sql_test.ts": ["supabase/migrations/"],
  "tests/contracts/routing_docs_test.ts": ["docs/"],
  "tests/slow/db_push_test.ts": ["supabase/"],
  "tests/slow/deploy_test.ts": ["supabase/"],
  "tests/slow/drill_test.ts": ["cli/main.ts", "supabase/"],
  "tools/errors_doc_test.ts": ["docs/errors.md"],
};

/** Files that no test depends on. */
const INERT = /^(\.ci\/|\.github\/|bench\/|CHANGELOG\.md$|LICENSE$|docs\/(adr|images)\/|\.gitignore$)/;

/** Modules by path, and what each imports, all as paths from the root. */
export type Graph = ReadonlyMap<string, readonly string[]>;

/**
 * The test files, of these, that changes since a commit can reach. A changed file that nothing is known of, such as
 * deno.json, reaches all.
 * @throws TypeError when git does not know the commit.
 */
export async function affected(files: readonly string[], commit: string): Promise<string[]> {
  return reachedBy(await changedSince(commit), files, await graphOf(files));
}

/** As above, on what is known. */
export function reachedBy(changed: readonly string[], files: readonly string[], graph: Graph): string[] {
  const lively = changed.filter((path) => !INERT.test(path));
  const reached = new Map(files.map((file) => [file, reachOf(file, graph)]));
  const covers = (places: ReadonlySet<string>, path: string) =>
    [...places].some((place) => place === path || place.endsWith("/") && path.startsWith(place));
  const known = (path: string) => [...reached.values()].some((places) => covers(places, path));
  if (lively.some((path) => !known(path) && !/\.tsx?$/.test(path))) return [...files];
  return files.filter((file) => lively.some((path) => covers(reached.get(file)!, path)));
}

/** All that a module reaches, itself included: modules, and what {@linkcode REACHES} says of them. */
function reachOf(file: string, graph: Graph): Set<string> {
  const found = new Set<string>(), open = [file];
  for (let path; (path = open.pop()) !== undefined;) {
    if (found.has(path)) continue;
    found.add(path);
    open.push(...graph.get(path) ?? [], ...REACHES[path] ?? []);
  }
  return found;
}

/** Paths of what git calls changed, untracked files included. */
async function changedSince(commit: string): Promise<string[]> {
  const git = async (args: string[]) => {
    const { success, stdout, stderr } = await new Deno.Command("git", { args, cwd: ROOT }).output();
    const text = new TextDecoder();
    if (!success) throw new TypeError(`git ${args[0]} failed: ${text.decode(stderr).trim()}`);
    return text.decode(stdout).split("\0").filter((path) => path !== "");
  };
  return [
    ...await git(["diff", "--name-only", "--no-renames", "-z", commit, "--"]),
    ...await git(["ls-files", "--others", "--exclude-standard", "-z"]),
  ];
}

/** The graph of imports of these files, as `deno info` has it. */
async function graphOf(files: readonly string[]): Promise<Graph> {
  const all = join(ROOT, ".gatelink-test", "all.ts");
  await Deno.mkdir(join(ROOT, ".gatelink-test"), { recursive: true });
  const entries = [...files, ...Object.values(REACHES).flat().filter((path) => path.endsWith(".ts"))];
  await Deno.writeTextFile(all, entries.map((file) => `import "../${file}";\n`).join(""));
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", all],
    cwd: ROOT,
  }).output();
  if (!success) throw new Error(`deno info failed: ${new TextDecoder().decode(stderr)}`);
  const path = (specifier: string) =>
    specifier.startsWith("file:") ? fromFileUrl(specifier).slice(ROOT.length + 1) : undefined;
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: Module[] };
  return new Map(modules.flatMap(({ specifier, dependencies = [] }) => {
    const from = path(specifier);
    if (from === undefined) return [];
    const to = dependencies.flatMap(({ code, type }) => [code?.specifier, type?.specifier])
      .flatMap((specifier) => specifier === undefined ? [] : path(specifier) ?? []);
    return [[from, to]];
  }));
}

interface Module {
  specifier: string;
  dependencies?: { code?: { specifier: string }; type?: { specifier: string } }[];
}
