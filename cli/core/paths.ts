/** Paths that people type. */
import { resolve } from "node:path";
import type { Io } from "./io.ts";

/** A path, from the folder that the user is in: `deno task` runs in the folder of deno.json. */
export function fromHere({ env, cwd }: Io, path: string): string {
  return resolve(cwd, env.INIT_CWD ?? "", path);
}
