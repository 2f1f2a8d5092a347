/** Which Gatelink this is. */
import { readFileSync } from "node:fs";
import { join, ROOT } from "./paths.ts";

/** What the file VERSION says, of the checkout or of the package: `0.1.0`. */
export function version(): string {
  return readFileSync(join(ROOT, "VERSION"), "utf8").trim();
}
