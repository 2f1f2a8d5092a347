/** Where the code reads each flag; used by the report of stale flags and docs/flags.md. */
import { join, ROOT } from "./paths.ts";

/** A place in the code. */
export interface Place {
  /** Relative to the checkout. */
  path: string;
  /** From 1. */
  line: number;
}

const FOLDERS = [join("supabase", "functions"), join("supabase", "migrations")];

/**
 * How code names a flag: in TypeScript any string of that form that is not a kill switch, in SQL the flag
 * that is evaluated, or returned for evaluation.
 */
const NAMED = {
  ts: /(?<!\bkilled\()["'`]([a-z][a-z0-9._-]*\.enabled)["'`]/g,
  sql: /(?:\bevaluate_flag\(|\bthen )'([a-z][a-z0-9._-]*\.enabled)'/g,
};

/**
 * The places of each flag that functions and migrations name, by the flag's key. Tests and reverses are left
 * out.
 * @param root The checkout.
 */
export async function flagPlaces(root: string = ROOT): Promise<Map<string, Place[]>> {
  const places = new Map<string, Place[]>();
  for (const path of (await Promise.all(FOLDERS.map((folder) => files(root, folder)))).flat()) {
    const named = path.endsWith(".sql") ? NAMED.sql : NAMED.ts;
    const text = await Deno.readTextFile(join(root, path));
    for (const [index, line] of text.split("\n").entries()) {
      // In comments a flag is an example.
      if (/^\s*(\/\/|\*|\/\*|--)/.test(line)) continue;
      for (const [, key] of line.matchAll(named)) {
        places.set(key, [...places.get(key) ?? [], { path, line: index + 1 }]);
      }
    }
  }
  return places;
}

async function files(root: string, folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(join(root, folder))) {
    const path = join(folder, name);
    if (isDirectory) {
      if (name !== "reverse") found.push(...await files(root, path));
    } else if (/\.(ts|sql)$/.test(name) && !/(_test|testing)\.ts$/.test(name)) found.push(path);
  }
  return found.sort();
}
