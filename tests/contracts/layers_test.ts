/** Imports run one way, as CONTRIBUTING.md says. Asked of Deno, so that none is overlooked. */
import { assert, assertEquals } from "../support/assert.ts";
import { ROOT } from "../../lib/paths.ts";
import { type Graph, graphOf } from "../runner/imports.ts";

/** The rooms of the house, each with those that it may import besides itself; a room is the longest prefix that fits. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  "supabase/functions/": [],
  "admin/src/": ["supabase/functions/"],
  "admin/": [],
  "lib/": ["supabase/functions/"],
  "local/": ["lib/", "supabase/functions/"],
  "tools/": ["lib/", "local/", "supabase/functions/", "tests/support/"],
  "cli/": ["lib/", "local/", "tools/", "supabase/functions/"],
  "scripts/": ["cli/", "lib/", "supabase/functions/"],
  "examples/": [],
  "bench/": ["lib/", "local/", "tools/", "supabase/functions/", "tests/support/"],
  "tests/": [
    "bench/",
    "cli/",
    "lib/",
    "local/",
    "tools/",
    "supabase/functions/",
    "admin/",
    "admin/src/",
    "tests/support/",
  ],
  "tests/support/": ["bench/", "cli/", "lib/", "local/", "tools/", "supabase/functions/"],
};

/** Folders of a room, in the order in which they may import: each those before it. */
const SHELVES: Readonly<Record<string, readonly string[]>> = {
  "cli/": ["core/", "commands/", ""],
  "local/": [
    "project/",
    "database/",
    "storage/",
    "seed/",
    "data_api/",
    "functions/",
    "panel/",
    "simulator/",
    "",
  ],
  "admin/src/": ["words/", "data/", "ui/", "session/", "pages/", "shell/", ""],
  "supabase/functions/_shared/links/": [
    "limits/",
    "visitor/",
    "model/",
    "table/",
    "answer/",
    "store/",
    "clicks/",
  ],
};

/** Folders of `_shared`: each may import those before it, so that there is no circle. Functions come after all. */
const ORDER =
  ("log crypto json contract agents time mail sms http config analysis storage db gates flags routing masking delivery links tracking oncall incidents media rollouts traffic serve " +
    "channels mailboxes pipeline compose.ts").split(" ");

/** What may import less than what comes before it, and what that is. */
const LESS: Record<string, string[]> = {
  ...{
    crypto: [],
    json: [],
    contract: [],
    time: ["contract"],
    agents: ["crypto", "contract"],
    mail: ["crypto", "agents"],
    sms: [],
    http: ["log"],
    flags: ["crypto", "contract"],
    routing: ["contract", "time"],
    masking: ["contract", "flags"],
  },
  channels: ["crypto", "json", "contract", "mail", "sms", "http", "config", "analysis"],
};

/** Decisions: by whatever way, they reach nothing that reads the environment, the network or the database. */
const PURE =
  /^_shared\/((crypto|json|time|contract|agents|mail|sms|flags|routing|masking)\/|channels\/((channel|registry)\.|\w+\/inbound\/)|delivery\/(addresses|allowlist|retry|sign)\.|links\/(model\/|table\/|visitor\/(accept|languages|visit)\.|answer\/(address|pages)\.))/;
const IMPURE = /^_shared\/(log|http|config|db|gates|rollouts|serve|pipeline)\//;
const COMPOSED = /^(_shared\/(compose|channels\/all)\.ts$|(?!_shared\/))/;

const FUNCTIONS = "supabase/functions/";
const isShared = (path: string) => path.startsWith("_shared/");
const folderOf = (path: string) => isShared(path) ? path.split("/")[1] : `${path.split("/")[0]}/`;
const rankOf = (path: string) => isShared(path) ? ORDER.indexOf(folderOf(path)) : ORDER.length;
const channelOf = (path: string) => /^_shared\/channels\/(all\.ts|\w+(?=\/))/.exec(path)?.[1];
const longest = (of: Readonly<Record<string, unknown>>, path: string) =>
  Object.keys(of).filter((room) => path.startsWith(room)).sort((a, b) => b.length - a.length)[0];

/** Whether a module of the functions may import another of them. */
function allowed(from: string, to: string): boolean {
  const other = channelOf(to) !== undefined && channelOf(to) !== channelOf(from);
  if (other && !COMPOSED.test(from)) return false;
  if (folderOf(from) === folderOf(to)) return true;
  if (!isShared(from)) return isShared(to);
  return rankOf(to) < rankOf(from) && (LESS[folderOf(from)]?.includes(folderOf(to)) ?? true);
}

/** Each import of our modules, tests left out, as `[from, to]`. */
async function imports(): Promise<{ graph: Graph; edges: [string, string][] }> {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "*.ts", "*.tsx"];
  const { stdout } = await new Deno.Command("git", { args, cwd: ROOT }).output();
  const files = new TextDecoder().decode(stdout).trim().split("\n").filter((path) =>
    !/_test\.tsx?$/.test(path)
  );
  const here = new Set(files.filter((path) => Deno.statSync(`${ROOT}/${path}`).isFile));
  const graph = new Map(
    [...await graphOf([...here])].filter(([from]) => here.has(from)).map((
      [from, to],
    ) => [from, [...new Set(to)]]),
  );
  return { graph, edges: [...graph].flatMap(([from, tos]) => tos.map((to): [string, string] => [from, to])) };
}

Deno.test("imports: no folder imports a folder above it", async () => {
  const { graph, edges } = await imports();
  assert(graph.size > 500 && graph.has("supabase/functions/wa-webhook/index.ts") && graph.has("cli/main.ts"));
  const roomOf = (path: string) => longest(ROOMS, path);
  assertEquals([...graph.keys()].filter((path) => roomOf(path) === undefined), [], "in no room");
  assertEquals(
    edges.filter(([from, to]) => roomOf(to) !== roomOf(from) && !ROOMS[roomOf(from)].includes(roomOf(to))),
    [],
  );
  const shelfOf = (room: string, path: string) =>
    SHELVES[room].findIndex((shelf) => path.startsWith(room + shelf));
  const upward = edges.filter(([from, to]) => {
    const room = longest(SHELVES, from);
    return room !== undefined && to.startsWith(room) && shelfOf(room, to) > shelfOf(room, from);
  });
  assertEquals(upward, []);
  const inFunctions = edges.filter((edge) => edge.every((path) => path.startsWith(FUNCTIONS)))
    .map((edge) => edge.map((path) => path.slice(FUNCTIONS.length)));
  assertEquals(inFunctions.filter(([from]) => rankOf(from) < 0), [], "without a place in ORDER");
  assertEquals(inFunctions.filter(([from, to]) => !allowed(from, to)), []);
});

Deno.test("imports: no module imports itself through others", async () => {
  const { graph } = await imports();
  const done = new Set<string>(), circles: string[] = [];
  const walk = (path: string, way: string[]) => {
    if (way.includes(path)) circles.push([...way.slice(way.indexOf(path)), path].join(" > "));
    if (done.has(path) || way.includes(path)) return;
    for (const to of graph.get(path) ?? []) walk(to, [...way, path]);
    done.add(path);
  };
  for (const path of graph.keys()) walk(path, []);
  assertEquals(circles, []);
});

Deno.test("imports: domain code reaches no environment, network or database, and product code reaches no test", async () => {
  const { graph } = await imports();
  const reached = (path: string, seen = new Set<string>()): Set<string> => {
    if (!seen.has(path)) { for (const to of graph.get(seen.add(path) && path) ?? []) reached(to, seen); }
    return seen;
  };
  const shared = (path: string) => path.startsWith(FUNCTIONS) ? path.slice(FUNCTIONS.length) : "";
  const impure = [...graph.keys()].filter((path) =>
    PURE.test(shared(path)) && [...reached(path)].some((to) => IMPURE.test(shared(to)))
  );
  assertEquals(impure, []);
  const run = ["cli/main.ts", "local/start.ts", "local/functions/host.ts", "admin/src/main.tsx"];
  assertEquals(run.flatMap((path) => [...reached(path)].filter((to) => to.startsWith("tests/"))), []);
});
