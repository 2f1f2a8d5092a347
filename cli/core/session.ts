/** A command's input and output. */
import type { Api } from "./api.ts";
import type { Io } from "./io.ts";

/** The result of a command: one JSON document for programs, one text for people. */
export interface Result {
  document: unknown;
  text: string;
  /** True ends the command with exit code 1: it ran, and a check failed. @default {false} */
  failed?: boolean;
}

/** The environment of a command. */
export interface Session {
  /** Input and output of the run. */
  io: Io;
  /** The stack's Data API. @throws {CliError} stack_not_found */
  api(): Promise<Api>;
  /** Shows the progress of long work, on stderr. */
  progress(line: string): void;
  /** Prints a line for people before the result, about the work to come. Nothing with --json. */
  say(line: string): void;
}

/** Runs the work of a command and prints its result; each command's action calls it. */
export type Run = (work: (session: Session) => Promise<Result>) => Promise<void>;

/** A command without arguments and options of its own. It runs without the parser of arguments. */
export interface PlainCommand {
  /** What its help says after its usage: its exit codes, its examples. */
  help: string;
  work: (session: Session) => Promise<Result>;
}
