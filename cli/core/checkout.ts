/** Commands that need a checkout. */
import { existsSync } from "node:fs";
import { join, ROOT } from "../../lib/paths.ts";
import { CliError } from "./errors.ts";

/**
 * Loads a module that reads, runs or deploys the checkout. The installed package does not include such
 * modules: it is the command line without the code that it deploys.
 * @param command The command that needs it, as typed.
 * @param instead Advice for users without a checkout. @default nothing
 * @throws {CliError} usage, if this is not a checkout
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
