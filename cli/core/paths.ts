/** Paths that people type. */
import { resolve } from "node:path";
import type { Io } from "./io.ts";

/** Resolves a typed path from the user's folder: `deno task` runs in the folder of deno.json. */
export function fromHere({ env, cwd }: Io, path: string): string {
  return resolve(cwd, env.INIT_CWD ?? "", path);
}
