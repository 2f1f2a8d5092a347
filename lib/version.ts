/** The version of this Gatelink. */
import { readFileSync } from "node:fs";
import { join, ROOT } from "./paths.ts";

/** The content of the file VERSION, of the checkout or of the package: `0.1.0`. */
export function version(): string {
  return readFileSync(join(ROOT, "VERSION"), "utf8").trim();
}
