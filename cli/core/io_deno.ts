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
    secret,
    out: (line) => console.log(line),
    err: (line) => console.error(line),
    progress: (line) => {
      if (line === shown || !Deno.stderr.isTerminal()) return;
      Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${shown = line}`));
    },
  };
}

/** Reads a line in raw mode, in which the terminal shows nothing. */
async function secret(prompt: string): Promise<string | undefined> {
  if (!Deno.stdin.isTerminal()) return undefined;
  Deno.stderr.writeSync(new TextEncoder().encode(prompt));
  Deno.stdin.setRaw(true, { cbreak: true });
  try {
    return await typedLine(Deno.stdin);
  } finally {
    Deno.stdin.setRaw(false);
    Deno.stderr.writeSync(new TextEncoder().encode("\n"));
  }
}

const ENTER = "\r\n", ENDS = "\u0003\u0004", ERASES = "\b\u007f";

/** What was typed up to Enter; undefined at Ctrl-D, Ctrl-C or the end of the input. */
async function typedLine(
  from: { read(into: Uint8Array): Promise<number | null> },
): Promise<string | undefined> {
  const bytes = new Uint8Array(1024), decoder = new TextDecoder();
  let typed = "";
  for (;;) {
    const read = await from.read(bytes);
    if (read === null) return undefined;
    for (const sign of decoder.decode(bytes.subarray(0, read), { stream: true })) {
      if (ENTER.includes(sign)) return typed;
      if (ENDS.includes(sign)) return undefined;
      typed = ERASES.includes(sign) ? typed.slice(0, -1) : typed + sign;
    }
  }
}
