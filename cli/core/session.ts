/** What a command gets to work with, and what it gives back. */
import type { Api } from "./api.ts";
import type { Io } from "./io.ts";

/** What a command found: one JSON document for programs, one text for people. */
export interface Result {
  document: unknown;
  text: string;
  /** True ends the command with exit code 1: it ran, and what it checked is not well. @default {false} */
  failed?: boolean;
}

/** Hands a command its surroundings. */
export interface Session {
  /** Where it runs. */
  io: Io;
  /** The stack's Data API. @throws {CliError} stack_not_found */
  api(): Promise<Api>;
  /** Says how far long work is, on stderr. */
  progress(line: string): void;
  /** Prints a line for people before the result: what is about to be done. Nothing with --json. */
  say(line: string): void;
}

/** Runs the work of a command and prints its result: what each action of a command calls. */
export type Run = (work: (session: Session) => Promise<Result>) => Promise<void>;
