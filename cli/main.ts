/** `deno task gatelink …`: runs one command, prints its result, and ends with its exit code. */
import { type Command, CommanderError } from "commander";
import { connect } from "./api.ts";
import { CliError, EXIT, told } from "./errors.ts";
import { paint } from "./output.ts";
import { program } from "./program.ts";
import type { Run, Session } from "./session.ts";
import { findStack } from "./stack.ts";

/** Runs the command line and gives the exit code. */
export async function main(args: string[]): Promise<number> {
  const json = args.includes("--json");
  const print = (document: unknown, text: string) =>
    console.log(json ? JSON.stringify(document, null, 2) : text);
  let code: number = EXIT.ok;
  let shown = "";

  const session: Session = {
    api: async () => connect(await findStack()),
    // For a person who waits; in a log it would be noise.
    progress: (line) => {
      if (Deno.stderr.isTerminal() && line !== shown) {
        Deno.stderr.writeSync(encode(`\r\x1b[K${shown = line}`));
      }
    },
  };
  const run: Run = async (work) => {
    const result = await work(session).finally(() => session.progress(""));
    print(result.document, result.text);
    if (result.failed) code = EXIT.failed;
  };

  const gatelink = program(run);
  // Commander prints what is asked for on stdout; what it says of wrong arguments is told below.
  let said = "";
  const settings = {
    writeOut: (text: string) => print({ help: text }, text.trimEnd()),
    writeErr: (text: string) => said += text,
  };
  everyCommand(gatelink, (command) => command.exitOverride().configureOutput(settings));
  try {
    await gatelink.parseAsync(args, { from: "user" });
    return code;
  } catch (error) {
    const problem = error instanceof CommanderError ? usage(error, said) : told(error);
    if (problem === undefined) return EXIT.ok;
    const { message, hint } = problem;
    if (json) print({ error: { code: problem.code, message, hint } }, "");
    else console.error(`${paint("red", "Error:")} ${message}${hint ? `\n${hint}` : ""}`);
    return problem.exit;
  }
}

/** What commander found wrong with the arguments; undefined after it printed the help that was asked for. */
function usage(error: CommanderError, said: string): CliError | undefined {
  if (error.exitCode === 0) return undefined;
  if (error.code === "commander.help") return new CliError("usage", "A command is missing.", said.trimEnd());
  const message = error.message.replace(/^error: /, "");
  return new CliError(
    "usage",
    message.charAt(0).toUpperCase() + message.slice(1),
    "Add --help to see how it is used.",
  );
}

function everyCommand(command: Command, change: (command: Command) => void): void {
  change(command);
  for (const inner of command.commands) everyCommand(inner, change);
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
