/** What can go wrong in the command line, as codes for programs, sentences for people, and exit codes for shells. */

/** Exit codes of `gatelink`. Documented in the help and in docs/cli.md. */
export const EXIT = {
  ok: 0,
  /** The command did its work, and what it checked is not well. */
  failed: 1,
  usage: 2,
  stack: 3,
  refused: 4,
  unexpected: 5,
} as const;

/** Each error code, with the exit code that it ends in. */
export const ERRORS = {
  usage: EXIT.usage,
  stack_not_found: EXIT.stack,
  stack_unreachable: EXIT.stack,
  unauthorized: EXIT.refused,
  forbidden: EXIT.refused,
  not_found: EXIT.refused,
  conflict: EXIT.refused,
  invalid: EXIT.refused,
  refused: EXIT.refused,
  unexpected: EXIT.unexpected,
} as const;

export type ErrorCode = keyof typeof ERRORS;

/** An error that is told to the user: what is wrong, and what to do next. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly code: ErrorCode;
  /** What to do next, a sentence or a command. */
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, hint?: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.hint = hint;
  }

  get exit(): number {
    return ERRORS[this.code];
  }
}

/** Any error as one that can be told. What nobody foresaw keeps its stack in the hint, for a report. */
export function told(error: unknown): CliError {
  if (error instanceof CliError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof Error ? error.stack : undefined;
  return new CliError("unexpected", message, hint, { cause: error });
}

/** Why a fetch failed, in the words of the system: Deno keeps them in the cause, behind the address, Node in its code. */
export function fetchReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  const said = cause instanceof Error
    ? cause.message || (cause as NodeJS.ErrnoException).code || ""
    : error.message;
  return said.replace(/^error sending request for url \(\S*\): (client error \([^)]*\): )?/, "");
}
