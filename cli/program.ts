/** The commands of `gatelink`, put together for the parser of arguments. */
import { Command, CommanderError, Help, type OutputConfiguration } from "commander";
import { CliError } from "./core/errors.ts";
import type { Run } from "./core/session.ts";
import { COMMANDS } from "./entries.ts";
import { ABOUT, headingOf, JSON_OPTION, NOTES, OTHERS, termOf } from "./front_page.ts";

/**
 * The command line; `run` does the work of the command that is chosen.
 * @param words What somebody typed. Commands that are not among them are there by name only.
 */
export async function program(run: Run, words: readonly string[]): Promise<Command> {
  const gatelink = new Command("gatelink")
    .description(ABOUT)
    .commandsGroup(OTHERS)
    .helpCommand("help [command]", "display help for command")
    .option(...JSON_OPTION)
    .configureHelp({ showGlobalOptions: true, subcommandTerm: term })
    .showSuggestionAfterError()
    .addHelpText("after", NOTES);
  for (const [name, entry] of Object.entries(COMMANDS)) {
    const command = gatelink.command(name).description(entry.about).helpGroup(headingOf(name));
    if (!words.includes(name)) continue;
    if ("load" in entry) {
      (await entry.load())(command, run);
      continue;
    }
    const { help, work } = await entry.plain();
    command.addHelpText("after", help).action(() => run(work));
  }
  return gatelink;
}

/**
 * Parses the arguments and runs the chosen command.
 * @param columns Line width of the help.
 * @returns the help, if that was asked for
 * @throws {CliError} usage
 */
export async function parse(run: Run, args: string[], columns: number): Promise<string | undefined> {
  const gatelink = await program(run, args);
  // Commander writes in pieces: help to the one, what is wrong with the arguments to the other.
  let help = "", wrong = "";
  const settings: OutputConfiguration = {
    writeOut: (text) => help += text,
    writeErr: (text) => wrong += text,
    getOutHelpWidth: () => columns,
    getErrHelpWidth: () => columns,
  };
  everyCommand(gatelink, (command) => command.exitOverride().configureOutput(settings));
  try {
    await gatelink.parseAsync(args, { from: "user" });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return help;
    throw usage(error, wrong);
  }
}

/** What commander found wrong with the arguments. */
function usage(error: CommanderError, wrong: string): CliError {
  if (error.code === "commander.help") {
    return new CliError("usage", "A command is required.", wrong.trimEnd());
  }
  const message = error.message.replace(/^error: /, "");
  return new CliError(
    "usage",
    message.charAt(0).toUpperCase() + message.slice(1),
    "See the usage with --help.",
  );
}

function everyCommand(command: Command, change: (command: Command) => void): void {
  change(command);
  for (const inner of command.commands) everyCommand(inner, change);
}

/** How a command is listed: those of the program alike whether they are loaded or not. */
function term(command: Command): string {
  const entry = command.parent?.parent === null ? COMMANDS[command.name()] : undefined;
  return entry === undefined ? Help.prototype.subcommandTerm(command) : termOf(command.name(), entry);
}
