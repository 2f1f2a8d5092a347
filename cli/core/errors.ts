/** Errors of the command line: codes for programs, sentences for people, exit codes for shells. */

/** Exit codes of `gatelink`. Documented in the help and in docs/cli.md. */
export const EXIT = {
  ok: 0,
  /** The command ran, and a check failed. */
  failed: 1,
  usage: 2,
  stack: 3,
  refused: 4,
  unexpected: 5,
} as const;

/** Each error code with its exit code. */
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

/** An error for the user: what is wrong, and what to do next. */
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

/** Converts any error for the user. An unexpected one keeps its stack in the hint, for a bug report. */
export function told(error: unknown): CliError {
  if (error instanceof CliError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof Error ? error.stack : undefined;
  return new CliError("unexpected", message, hint, { cause: error });
}

/**
 * Why a fetch failed, in the system's words: Deno puts them in the cause, after the address, Node in its
 * code.
 */
export function fetchReason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  const said = cause instanceof Error
    ? cause.message || (cause as NodeJS.ErrnoException).code || ""
    : error.message;
  return said.replace(/^error sending request for url \(\S*\): (client error \([^)]*\): )?/, "");
}
