/** Paths that people type. */
import { isAbsolute, join } from "node:path";

/** A path, from the folder that the user is in: `deno task` runs in the folder of deno.json. */
export function fromHere(path: string): string {
  return isAbsolute(path) ? path : join(Deno.env.get("INIT_CWD") ?? Deno.cwd(), path);
}
