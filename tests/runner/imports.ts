/** The graph of imports of this checkout, asked of Deno, so that none is overlooked. */
import { fromFileUrl, join, ROOT } from "../../lib/paths.ts";

/** Modules by path, and what each imports, all as paths from the root. */
export type Graph = ReadonlyMap<string, readonly string[]>;

/** The graph of imports of these files, paths from the root, as `deno info` has it. */
export async function graphOf(files: readonly string[]): Promise<Graph> {
  const all = join(ROOT, ".gatelink-test", `imports-${crypto.randomUUID()}.ts`);
  await Deno.mkdir(join(ROOT, ".gatelink-test"), { recursive: true });
  await Deno.writeTextFile(all, files.map((file) => `import "../${file}";\n`).join(""));
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", all],
    cwd: ROOT,
  }).output().finally(() => Deno.remove(all));
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
