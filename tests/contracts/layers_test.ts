/** Imports of deployed code run one way, as CONTRIBUTING.md says. Asked of Deno, so that none is overlooked. */
import { assert, assertEquals } from "../support/assert.ts";
import { join, ROOT } from "../../local/paths.ts";

/** Folders of `_shared`: each may import those before it, so that there is no circle. Functions come after all. */
const ORDER =
  ("log crypto json time contract http config db gates flags routing delivery links rollouts serve " +
    "channels pipeline compose.ts").split(" ");

/** What may import less than what comes before it, and what that is. */
const LESS: Record<string, string[]> = {
  ...{ crypto: [], json: [], time: [], contract: [], http: ["log"], flags: ["crypto"], routing: ["time"] },
  channels: ["crypto", "json", "http", "config"],
};

/** Decisions: by whatever way, they reach nothing that reads the environment, the network or the database. */
const PURE =
  /^_shared\/((crypto|json|time|contract|flags|routing)\/|channels\/((channel|registry)\.|\w+\/inbound\/)|delivery\/(addresses|allowlist|retry|sign)\.|links\/(accept|agents|link|pages|place|rules|schema|urls|visit|when)\.)/;
const IMPURE = /^_shared\/(log|http|config|db|gates|rollouts|serve|pipeline)\//;
const COMPOSED = /^(_shared\/(compose|channels\/all)\.ts$|(?!_shared\/))/;

const isShared = (path: string) => path.startsWith("_shared/");
const folderOf = (path: string) => isShared(path) ? path.split("/")[1] : `${path.split("/")[0]}/`;
const rankOf = (path: string) => isShared(path) ? ORDER.indexOf(folderOf(path)) : ORDER.length;
const channelOf = (path: string) => /^_shared\/channels\/(all\.ts|\w+(?=\/))/.exec(path)?.[1];

/** Whether one module may import the other. */
function allowed(from: string, to: string): boolean {
  const other = channelOf(to) !== undefined && channelOf(to) !== channelOf(from);
  if (other && !COMPOSED.test(from)) return false;
  if (folderOf(from) === folderOf(to)) return true;
  if (!isShared(from)) return isShared(to);
  return rankOf(to) < rankOf(from) && (LESS[folderOf(from)]?.includes(folderOf(to)) ?? true);
}

/** Every module of the functions with those of ours that it imports; paths below supabase/functions. */
async function modules(): Promise<Map<string, string[]>> {
  const folder = join(ROOT, "supabase", "functions");
  const ours = (specifier = "") => specifier.split("/supabase/functions/").slice(1);
  const found = new Map<string, string[]>();
  for (const { name } of Deno.readDirSync(folder)) {
    if (name === "_shared" || name.includes(".")) continue;
    const args = ["info", "--json", join(folder, name, "index.ts")];
    const { stdout } = await new Deno.Command(Deno.execPath(), { args, cwd: ROOT }).output();
    for (const { specifier, dependencies = [] } of JSON.parse(new TextDecoder().decode(stdout)).modules) {
      const to = (d: { code?: { specifier: string }; type?: { specifier: string } }) =>
        ours((d.code ?? d.type)?.specifier);
      for (const path of [ours(specifier)].flat()) found.set(path, dependencies.flatMap(to));
    }
  }
  return found;
}

Deno.test("imports: functions, pipeline, channels, domain, each only what is below it", async () => {
  const graph = await modules();
  assert(graph.size > 100 && graph.has("wa-webhook/index.ts"));
  assertEquals([...graph.keys()].filter((path) => rankOf(path) < 0), [], "without a place in ORDER");
  const all = [...graph].flatMap(([from, tos]) => tos.map((to) => [from, to]));
  assertEquals(all.filter(([from, to]) => !allowed(from, to)), []);
  const reached = (path: string, seen = new Set<string>()): Set<string> => {
    if (!seen.has(path)) { for (const to of graph.get(seen.add(path) && path) ?? []) reached(to, seen); }
    return seen;
  };
  const impure = [...graph.keys()].filter((path) =>
    PURE.test(path) && [...reached(path)].some((to) => IMPURE.test(to))
  );
  assertEquals(impure, []);
});
