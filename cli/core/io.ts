/**
 * The environment of a run of the command line: passed to it, so that several runs in one process do not mix.
 * Uses only what Node has too, like the whole command line except what needs the checkout: the package runs
 * on both.
 */
import process from "node:process";

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
  /** All of standard input, as text in UTF-8. */
  stdin(): Promise<string>;
  /** All of standard input, as it is. */
  bytes(): Promise<Uint8Array>;
  /** Prints a line on standard output. */
  out(line: string): void;
  /** Prints a line on standard error. */
  err(line: string): void;
  /** Shows the progress of long work on a terminal, replacing the previous line; not in logs. */
  progress(line: string): void;
}

/** The environment of this process. */
export function processIo(): Io {
  const { env, stdout, stderr } = process;
  let shown = "";
  return {
    env: { ...env },
    cwd: process.cwd(),
    // https://no-color.org
    colours: stdout.isTTY === true && !env.NO_COLOR,
    get columns() {
      return stdout.isTTY ? stdout.columns : 80;
    },
    stdin: async () => (await import("node:stream/consumers")).text(process.stdin),
    bytes: async () =>
      new Uint8Array(await (await import("node:stream/consumers")).arrayBuffer(process.stdin)),
    out: (line) => console.log(line),
    err: (line) => console.error(line),
    progress: (line) => {
      if (line === shown || !stderr.isTTY) return;
      stderr.write(`\r\x1b[K${shown = line}`);
    },
  };
}
