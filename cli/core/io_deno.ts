/**
 * The environment of this process on Deno. Without Node's modules: `node:process` and `node:fs` take longer to load
 * than everything else that `--help` and `status` do.
 */
import type { Io } from "./io.ts";

/** The environment of this process. */
export function denoIo(): Io {
  const env = Deno.env.toObject();
  const stdin = () => new Response(Deno.stdin.readable);
  let shown = "";
  return {
    env,
    cwd: Deno.cwd(),
    // https://no-color.org
    colours: Deno.stdout.isTerminal() && !env.NO_COLOR,
    get columns() {
      return Deno.stdout.isTerminal() ? Deno.consoleSize().columns : 80;
    },
    readText: (path) => Deno.readTextFile(path),
    stdin: () => stdin().text(),
    bytes: () => stdin().bytes(),
    out: (line) => console.log(line),
    err: (line) => console.error(line),
    progress: (line) => {
      if (line === shown || !Deno.stderr.isTerminal()) return;
      Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${shown = line}`));
    },
  };
}
