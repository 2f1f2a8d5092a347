/**
 * What surrounds a run of the command line: given to it, so that several runs in one process do not mix. Taken from what
 * Node has too, as all of the command line but what needs the checkout: the package runs on either.
 */
import process from "node:process";

/** All that a run takes from where it was started, and all that it gives back but its exit code. */
export interface Io {
  /** Variables of the environment; programs that are started get them too. */
  env: Readonly<Record<string, string | undefined>>;
  /** Working folder, a whole path. Paths that people type begin elsewhere: see `fromHere`. */
  cwd: string;
  /** Whether styles are shown in what `out` and `err` get. */
  colours: boolean;
  /** Characters in a line: those of the terminal, 80 where there is none. */
  readonly columns: number;
  /** All of standard input, as text in UTF-8. */
  stdin(): Promise<string>;
  /** All of standard input, as it is. */
  bytes(): Promise<Uint8Array>;
  /** Prints a line on standard output. */
  out(line: string): void;
  /** Prints a line on standard error. */
  err(line: string): void;
  /** Shows how far long work is, in place of what was shown before, to a person who waits; in a log it would be noise. */
  progress(line: string): void;
}

/** That of this process. */
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
