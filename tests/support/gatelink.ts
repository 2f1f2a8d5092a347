/**
 * Runs `gatelink` in tests: in this process, with an isolated environment; or as a separate process, if that
 * is what is tested.
 */
import { resolve } from "node:path";
import { connect } from "../../cli/core/api.ts";
// Loaded by the command that needs it, it would leave a listener behind in the test that is the first to use that.
import "../../cli/core/functions_state.ts";
import type { Io } from "../../cli/core/io.ts";
import { main } from "../../cli/gatelink.ts";
import type { Session } from "../../cli/core/session.ts";
import { findStack } from "../../cli/core/stack.ts";
import { join, ROOT } from "../../lib/paths.ts";

export interface Ran {
  code: number;
  out: string;
  err: string;
  /** The one JSON document on stdout; throws when there is anything else. */
  // deno-lint-ignore no-explicit-any
  json(): any;
}

export interface RunOptions {
  /** Added to this process's environment. */
  env?: Record<string, string>;
  /** @default the root of the repository */
  cwd?: string;
  /** Content of standard input. @default {""} */
  stdin?: string;
}

/** Input and output without a terminal, which records what is printed. */
export function testIo(options: RunOptions = {}): { io: Io; printed: { out: string; err: string } } {
  const printed = { out: "", err: "" };
  const io: Io = {
    env: { ...Deno.env.toObject(), ...options.env },
    cwd: options.cwd ?? ROOT,
    colours: false,
    columns: 80,
    readText: (path) => Deno.readTextFile(resolve(options.cwd ?? ROOT, path)),
    stdin: () => Promise.resolve(options.stdin ?? ""),
    bytes: () => Promise.resolve(new TextEncoder().encode(options.stdin ?? "")),
    secret: () => Promise.resolve(undefined),
    out: (line) => void (printed.out += `${line}\n`),
    err: (line) => void (printed.err += `${line}\n`),
    progress: () => {},
  };
  return { io, printed };
}

/** Runs `gatelink` with these words, in this process. */
export async function runGatelink(words: string[], options: RunOptions = {}): Promise<Ran> {
  const { io, printed } = testIo(options);
  return ran(await main(words, io), printed.out, printed.err);
}

/** Runs `gatelink` with these words, as a process. */
export async function gatelinkProcess(words: string[], options: RunOptions = {}): Promise<Ran> {
  const child = new Deno.Command(Deno.execPath(), {
    // Quiet: what Deno itself has to say on stderr, such as that it waits for a lock, is not the command's.
    args: ["run", "-A", "--quiet", join(ROOT, "cli", "main.ts"), ...words],
    cwd: options.cwd ?? ROOT,
    env: options.env,
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  if (options.stdin !== undefined) await new Blob([options.stdin]).stream().pipeTo(child.stdin);
  const { code, stdout, stderr } = await output;
  const decoder = new TextDecoder();
  return ran(code, decoder.decode(stdout), decoder.decode(stderr));
}

function ran(code: number, out: string, err: string): Ran {
  return { code, out, err, json: () => JSON.parse(out) };
}

/** A session for tests of the command line's parts. Records what is printed. */
export function testSession(options: RunOptions = {}): Session & { said: string[] } {
  const { io } = testIo(options);
  const said: string[] = [];
  return {
    io,
    api: async () => connect(await findStack(io)),
    progress: io.progress,
    say: (line) => said.push(line),
    said,
  };
}
