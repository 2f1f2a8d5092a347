/**
 * An upload unpacked to disk as Supabase's bundler sees it: only the uploaded files. Its imports are resolved
 * there, and its bundle size is estimated.
 */
import { dirname, join, normalize } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { DENO_ENV, type Ended, run } from "../../lib/programs.ts";
import type { Upload } from "./management_api.ts";

/**
 * Largest bundle that Supabase builds itself, in bytes (https://supabase.com/docs/guides/functions/limits).
 */
export const MAX_BUNDLE_BYTES = 5_000_000;

/** An unpacked upload. */
export interface Unpacked {
  slug: string;
  /** Folder of the uploaded files. */
  dir: string;
  /** index.ts */
  entry: string;
  /** Flags with which Deno sees the same as the hosted runtime. */
  flags: string[];
}

/** Unpacks an upload into a new folder under `parent`. */
export async function unpack(upload: Upload, parent: string): Promise<Unpacked> {
  const { slug, metadata, files } = upload;
  const dir = join(parent, slug);
  for (const [path, content] of files) {
    const target = join(dir, path);
    if (normalize(target) !== target || !target.startsWith(dir)) {
      throw new Error(`${slug} uploads ${path}, which is outside the project`);
    }
    await Deno.mkdir(dirname(target), { recursive: true });
    await Deno.writeFile(target, content);
  }
  const config = metadata.import_map_path
    ? [`--config=${join(dir, metadata.import_map_path)}`]
    : ["--no-config"];
  return {
    slug,
    dir,
    entry: join(dir, metadata.entrypoint_path),
    // The lock file is not uploaded, and the bundler makes no node_modules whatever deno.json says.
    flags: [...config, "--no-lock", "--node-modules-dir=none"],
  };
}

/** Resolves all imports and fetches the packages. Returns what is missing, if anything. */
export async function fetchImports(unpacked: Unpacked, deno: string): Promise<string | undefined> {
  const { code, stdout, stderr } = await inside(unpacked, deno, [
    "cache",
    "--quiet",
    ...unpacked.flags,
    unpacked.entry,
  ]);
  return code === 0 ? undefined : (stdout + stderr).replaceAll(`file://${unpacked.dir}/`, "").trim();
}

/**
 * Estimates the bundle that Supabase builds: the modules, and every file of each npm package that they reach,
 * compressed with brotli, as edge-runtime does. Accurate to a few per cent, which is enough far from the
 * limit.
 */
export async function bundleBytes(unpacked: Unpacked, deno: string): Promise<number> {
  const graph = JSON.parse(
    (await inside(unpacked, deno, ["info", "--json", ...unpacked.flags, unpacked.entry])).stdout,
  );
  const npmCache = await (npmCaches[deno] ??= npmCacheOf(deno));
  const contents: Uint8Array[] = [];
  for (const { local } of graph.modules) if (local) contents.push(await Deno.readFile(local));
  const packages: { name: string; version: string }[] = Object.values(graph.npmPackages ?? {});
  for await (const registry of Deno.readDir(npmCache)) {
    for (const { name, version } of packages) {
      const folder = join(npmCache, registry.name, name, version);
      for await (const file of filesOf(folder)) contents.push(await Deno.readFile(file));
    }
  }
  const all = new Uint8Array(await new Blob(contents as BlobPart[]).arrayBuffer());
  return brotliCompressSync(all, { params: { [constants.BROTLI_PARAM_QUALITY]: 6 } }).byteLength;
}

/** The package cache of each Deno. */
const npmCaches: Record<string, Promise<string>> = {};

async function npmCacheOf(deno: string): Promise<string> {
  return JSON.parse((await run(deno, ["info", "--json", "--no-config"], { env: DENO_ENV })).stdout).npmCache;
}

function inside(unpacked: Unpacked, deno: string, args: string[]): Promise<Ended> {
  return run(deno, args, { cwd: unpacked.dir, env: DENO_ENV });
}

async function* filesOf(folder: string): AsyncGenerator<string> {
  let entries;
  try {
    entries = await Array.fromAsync(Deno.readDir(folder));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  for (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory) yield* filesOf(path);
    else if (entry.isFile) yield path;
  }
}
