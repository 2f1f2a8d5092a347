/** Whole local stacks for tests, started as `deno task start` starts them. */
import type { StackFile } from "../../local/data_folder.ts";
import { join, ROOT } from "../../local/paths.ts";
import { freePort } from "../../local/postgres.ts";

export interface StackOptions {
  /** Data folder. @default a temporary one, removed by `stop` */
  data?: string;
  /** @default a free one */
  port?: number;
  /** Folder of the functions. @default those of the repository */
  functions?: string;
  /** More arguments of `deno task start`. */
  args?: string[];
  /** Put over this process's environment. */
  env?: Record<string, string>;
}

export interface RunningStack {
  url: string;
  /** Data folder. */
  dir: string;
  /** What stack.json held at the start. */
  stack: StackFile;
  /** Process ids now: a part that died has a new one. */
  pids(): StackFile["pids"];
  /** What it printed so far, its functions included. */
  output(): string;
  /** As Ctrl-C does. Resolves with the exit code when it is gone. */
  stop(): Promise<number>;
  /** Kills the supervisor with -9. Removes nothing. */
  kill9(): Promise<void>;
}

/** How a start that fails ends. */
export interface FailedStart {
  code: number;
  output: string;
}

const START_TIMEOUT_MS = 60_000;

/** Starts a stack and resolves when it serves. @throws Error with what it printed, when it does not. */
export async function startStack(options: StackOptions = {}): Promise<RunningStack> {
  const started = await tryStack(options);
  if ("url" in started) return started;
  throw new Error(`the stack did not start, exit code ${started.code}:\n${started.output}`);
}

/** As `startStack`, for starts that are expected to fail. */
export async function tryStack(options: StackOptions = {}): Promise<RunningStack | FailedStart> {
  const temporary = options.data === undefined
    ? await Deno.makeTempDir({ prefix: "gatelink-test-stack-" })
    : "";
  if (temporary) await Deno.chmod(temporary, 0o755);
  const dir = options.data ?? join(temporary, "data");
  const port = options.port ?? freePort();
  const functions = options.functions === undefined ? [] : ["--functions", options.functions];
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "local/start.ts",
      ...["--port", String(port), "--data", dir],
      ...functions,
      ...options.args ?? [],
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1", ...options.env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let output = "";
  const collect = async (stream: ReadableStream<Uint8Array>) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) output += text;
  };
  const read = Promise.all([collect(child.stdout), collect(child.stderr)]);
  const remove = () => temporary ? Deno.remove(temporary, { recursive: true }) : Promise.resolve();
  let code: number | undefined;
  const ended = child.status.then((status) => code = status.code);

  const file = join(dir, "stack.json");
  const readFile = (): StackFile => JSON.parse(Deno.readTextFileSync(file));
  const deadline = Date.now() + START_TIMEOUT_MS;
  // stack.json of a killed run is there before the new one.
  while (code === undefined && !output.includes("Gatelink is up") && Date.now() < deadline) {
    await new Promise((done) => setTimeout(done, 20));
  }
  if (!output.includes("Gatelink is up")) {
    if (code === undefined) child.kill("SIGTERM");
    await Promise.all([ended, read]);
    await remove();
    return { code: code!, output };
  }
  return {
    url: `http://127.0.0.1:${port}`,
    dir,
    stack: readFile(),
    pids: () => readFile().pids,
    output: () => output,
    async stop() {
      if (code === undefined) child.kill("SIGINT");
      await Promise.all([ended, read]);
      await remove();
      return code!;
    },
    async kill9() {
      child.kill("SIGKILL");
      // Its output stays open for as long as a part of it lives on.
      await ended;
    },
  };
}
