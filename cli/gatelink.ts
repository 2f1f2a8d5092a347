/** The command line: runs one command, prints its result, and gives its exit code. On Deno and Node alike. */
import { connect } from "./core/api.ts";
import { EXIT, told } from "./core/errors.ts";
import type { Io } from "./core/io.ts";
import { paint, plain } from "./core/output.ts";
import type { Run, Session } from "./core/session.ts";
import { findStack } from "./core/stack.ts";
import { COMMANDS } from "./entries.ts";

/** Runs the command line and gives the exit code. Leaves nothing behind: it may run again, and beside itself. */
export async function main(args: string[], io: Io): Promise<number> {
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

  try {
    const help = await answer(args, run, print, io);
    if (help !== undefined) print({ help }, help.trimEnd());
    return code;
  } catch (error) {
    const { code, message, hint, exit } = told(error);
    if (json) print({ error: { code, message, hint } }, "");
    else io.err(`${styled(paint("red", "Error:"))} ${message}${hint ? `\n${hint}` : ""}`);
    return exit;
  }
}

/**
 * Does what the arguments ask for. What needs no parsing does without the parser, which takes twice as long to load
 * as `status` to answer.
 * @returns the help, if that was asked for
 */
async function answer(
  args: string[],
  run: Run,
  print: (document: unknown, text: string) => void,
  io: Io,
): Promise<string | undefined> {
  const [first = "", ...more] = args.filter((word) => word !== "--json");
  if (more.length === 0) {
    // Not an option of the program: some commands have one of that name, for the version of a flag.
    if (first === "--version") {
      const version = (await import("../lib/version.ts")).version();
      print({ version }, version);
      return undefined;
    }
    if (first === "--help" || first === "-h") {
      return (await import("./front_page.ts")).frontPage(io.columns);
    }
    const entry = Object.hasOwn(COMMANDS, first) ? COMMANDS[first] : undefined;
    if (entry !== undefined && "plain" in entry) {
      await run((await entry.plain()).work);
      return undefined;
    }
  }
  return await (await import("./program.ts")).parse(run, args, io.columns);
}
