/**
 * The environment of a run of the command line: passed to it, so that several runs in one process do not mix.
 * The command line runs on Deno and, as a package, on Node. `io_deno.ts` and `io_node.ts` are the only modules
 * that use what just one of them has.
 */

/** All inputs of a run from where it was started, and all outputs except its exit code. */
export interface Io {
  /** Environment variables, also for programs that the run starts. */
  env: Readonly<Record<string, string | undefined>>;
  /** Working folder, an absolute path. Paths that people type may start elsewhere: see `fromHere`. */
  cwd: string;
  /** Whether `out` and `err` show styles. */
  colours: boolean;
  /** Line width in characters: the terminal's, or 80 without one. */
  readonly columns: number;
  /**
   * The text of a file.
   * @param path Absolute, or relative to the working folder.
   * @throws an error with the system's `code`, such as ENOENT
   */
  readText(path: string): Promise<string>;
  /** All of standard input, as text in UTF-8. */
  stdin(): Promise<string>;
  /** All of standard input, as it is. */
  bytes(): Promise<Uint8Array>;
  /**
   * Asks a person for a value, which is not shown as it is typed. Undefined without a terminal to ask on.
   * @param prompt Shown on standard error.
   */
  secret(prompt: string): Promise<string | undefined>;
  /** Prints a line on standard output. */
  out(line: string): void;
  /** Prints a line on standard error. */
  err(line: string): void;
  /** Shows the progress of long work on a terminal, replacing the previous line; not in logs. */
  progress(line: string): void;
}
