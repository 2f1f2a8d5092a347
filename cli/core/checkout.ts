/** What can be done from a checkout only. */
import { existsSync } from "node:fs";
import { join, ROOT } from "../../lib/paths.ts";
import { CliError } from "./errors.ts";

/**
 * Loads a module that reads, runs or deploys what is in the checkout. The installed package has no such module: it is
 * the command line without the code that it deploys.
 * @param command What needs it, as somebody types it.
 * @param instead What helps without a checkout. @default nothing
 * @throws {CliError} usage, where this is not a checkout
 */
export async function fromCheckout<Module>(
  command: string,
  load: () => Promise<Module>,
  instead = "",
): Promise<Module> {
  if (existsSync(join(ROOT, "supabase", "config.toml"))) return await load();
  throw new CliError(
    "usage",
    `${command} needs a checkout of Gatelink; this is the installed package.`,
    `Clone the repository at the deployed version, and run there: deno task ${command} …${instead}`,
  );
}
