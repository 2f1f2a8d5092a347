/** The command line of a task of deno.json. */
import { Command } from "commander";

/**
 * The arguments of `deno task NAME`: `--help` prints how it is used and ends with exit code 0, arguments that make no sense
 * end with 2. Options and arguments are added by the task, which then parses `Deno.args`.
 * @param description What it does, in a sentence.
 */
export function task(name: string, description: string): Command {
  return new Command(`deno task ${name}`)
    .description(description)
    .exitOverride((error) => Deno.exit(error.exitCode === 0 ? 0 : 2));
}
