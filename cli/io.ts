/** What surrounds a run of the command line: given to it, so that several runs in one process do not mix. */

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
  /** All of standard input. */
  stdin(): Promise<string>;
  /** Prints a line on standard output. */
  out(line: string): void;
  /** Prints a line on standard error. */
  err(line: string): void;
  /** Shows how far long work is, in place of what was shown before, to a person who waits; in a log it would be noise. */
  progress(line: string): void;
}

/** That of this process. */
export function processIo(): Io {
  const terminal = Deno.stdout.isTerminal();
  let shown = "";
  return {
    env: Deno.env.toObject(),
    cwd: Deno.cwd(),
    // https://no-color.org
    colours: terminal && !Deno.noColor,
    get columns() {
      return terminal ? Deno.consoleSize().columns : 80;
    },
    stdin: () => new Response(Deno.stdin.readable).text(),
    out: (line) => console.log(line),
    err: (line) => console.error(line),
    progress: (line) => {
      if (line === shown || !Deno.stderr.isTerminal()) return;
      Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${shown = line}`));
    },
  };
}
