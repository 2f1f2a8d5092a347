/** Path functions, from the one module that Deno and Node share, and the folders of this repository. */
import { dirname, isAbsolute, join, resolve } from "node:path";
import { fileURLToPath as fromFileUrl } from "node:url";

export { dirname, fromFileUrl, isAbsolute, join, resolve };

/** Folder of the checkout. */
export const ROOT: string = dirname(dirname(fromFileUrl(import.meta.url)));
/** Folder with the forward migrations. */
export const MIGRATIONS: string = join(ROOT, "supabase", "migrations");
/** Folder with a folder per Edge Function. */
export const FUNCTIONS: string = join(ROOT, "supabase", "functions");
