/** The environment of this process on Node, for the package. */
import { readFile } from "node:fs/promises";
import process from "node:process";
import { arrayBuffer, text } from "node:stream/consumers";
import type { Io } from "./io.ts";

/** The environment of this process. */
export function nodeIo(): Io {
  const { env, stdin, stdout, stderr } = process;
  let shown = "";
  return {
    env: { ...env },
    cwd: process.cwd(),
    // https://no-color.org
    colours: stdout.isTTY === true && !env.NO_COLOR,
    get columns() {
      return stdout.isTTY ? stdout.columns : 80;
    },
    readText: (path) => readFile(path, "utf8"),
    stdin: () => text(stdin),
    bytes: async () => new Uint8Array(await arrayBuffer(stdin)),
    // Only commands that need a checkout ask, and those run on Deno.
    secret: () => Promise.resolve(undefined),
    out: (line) => console.log(line),
    err: (line) => console.error(line),
    progress: (line) => {
      if (line === shown || !stderr.isTTY) return;
      stderr.write(`\r\x1b[K${shown = line}`);
    },
  };
}
