/** `gatelink …`: runs one command, prints its result, and ends with its exit code. */
import process from "node:process";
import { type Command, CommanderError, type OutputConfiguration } from "commander";
import { connect } from "./core/api.ts";
import { CliError, EXIT, told } from "./core/errors.ts";
import { type Io, processIo } from "./core/io.ts";
import { paint, plain } from "./core/output.ts";
import { program } from "./program.ts";
import type { Run, Session } from "./core/session.ts";
import { findStack } from "./core/stack.ts";

/** Runs the command line and gives the exit code. Leaves nothing behind: it may run again, and beside itself. */
export async function main(args: string[], io: Io = processIo()): Promise<number> {
  const json = args.includes("--json");
  const styled = (text: string) => io.colours ? text : plain(text);
  const print = (document: unknown, text: string) =>
    io.out(json ? JSON.stringify(document, null, 2) : styled(text));
  let code: number = EXIT.ok;

  const session: Session = {
    io,
    api: async () => connect(await findStack(io)),
    progress: io.progress,
    say: (line) => {
      if (!json) io.out(styled(line));
    },
  };
  const run: Run = async (work) => {
    const result = await work(session).finally(() => session.progress(""));
    print(result.document, result.text);
    if (result.failed) code = EXIT.failed;
  };

  // Not an option of the program: some commands have one of that name, for the version of a flag.
  if (args.filter((word) => word !== "--json").join() === "--version") {
    const version = (await import("../lib/version.ts")).version();
    print({ version }, version);
    return code;
  }
  const gatelink = await program(run, args);
  // Commander writes in pieces: help to the one, what is wrong with the arguments to the other.
  let help = "", wrong = "";
  const settings: OutputConfiguration = {
    writeOut: (text) => help += text,
    writeErr: (text) => wrong += text,
    getOutHelpWidth: () => io.columns,
    getErrHelpWidth: () => io.columns,
  };
  everyCommand(gatelink, (command) => command.exitOverride().configureOutput(settings));
  try {
    await gatelink.parseAsync(args, { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) {
      print({ help }, help.trimEnd());
      return EXIT.ok;
    }
    const problem = error instanceof CommanderError ? usage(error, wrong) : told(error);
    const { message, hint } = problem;
    if (json) print({ error: { code: problem.code, message, hint } }, "");
    else io.err(`${styled(paint("red", "Error:"))} ${message}${hint ? `\n${hint}` : ""}`);
    return problem.exit;
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

// At once: a connection that is kept open would be waited for.
if (import.meta.main) process.exit(await main(process.argv.slice(2)));
