/** The command line of a task of deno.json. */
import { Command } from "commander";

/**
 * The command of `deno task NAME`: `--help` prints its usage and exits with 0, invalid arguments exit with 2.
 * The task adds options and arguments, then parses `Deno.args`.
 * @param description What it does, in one sentence.
 */
export function task(name: string, description: string): Command {
  return new Command(`deno task ${name}`)
    .description(description)
    .exitOverride((error) => Deno.exit(error.exitCode === 0 ? 0 : 2));
}
