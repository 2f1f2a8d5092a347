/** Whole local stacks for tests, started as `deno task start` starts them. */
import { pathToFileURL } from "node:url";
import { MISFIT } from "./answers.ts";
import type { StackFile } from "../../local/project/data_folder.ts";
import { FUNCTIONS, join, ROOT } from "../../lib/paths.ts";

export interface StackOptions {
  /** Data folder. @default a temporary one, removed by `stop` */
  data?: string;
  /** @default any that is free */
  port?: number;
  /** Folder of the functions. @default those of the repository */
  functions?: string;
  /** More arguments of `deno task start`. */
  args?: string[];
  /** Put over this process's environment. */
  env?: Record<string, string>;
  /**
   * Whether each answer of the database is checked against the contract before it is given. A bench leaves it out: it
   * measures what users run, and the check costs more than the Data API itself.
   * @default true
   */
  checked?: boolean;
}

export interface RunningStack {
  url: string;
  /** Data folder. */
  dir: string;
  /** What stack.json held at the start. */
  stack: StackFile;
  /** Process ids now: a part that died has a new one. */
  pids(): StackFile["pids"];
  /** Calls a function of the database with the secret key, through the Data API. */
  rpc(name: string, args?: unknown): Promise<Response>;
  /** What it printed so far, its functions included. */
  output(): string;
  /** As Ctrl-C does. Resolves with the exit code when it is gone; rejects when an answer did not fit the contract. */
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
  const temporary = options.data === undefined ? await temporaryFolder() : undefined;
  const dir = options.data ?? join(temporary!.path, "data");
  const functions = options.functions === undefined ? [] : ["--functions", options.functions];
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      `tests/support/${options.checked ?? true ? "checked" : "tied"}_start.ts`,
      ...["--port", String(options.port ?? 0), "--data", dir],
      // A test counts its own messages; one that wants the first mails adds --mail.
      "--no-mail",
      ...functions,
      ...options.args ?? [],
    ],
    cwd: ROOT,
    env: { NO_COLOR: "1", ...options.env },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let output = "";
  const collect = async (stream: ReadableStream<Uint8Array>) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) output += text;
  };
  const read = Promise.all([collect(child.stdout), collect(child.stderr)]);
  const remove = async () => await temporary?.[Symbol.asyncDispose]();
  let code: number | undefined;
  const ended = child.status.then(async (status) => {
    code = status.code;
    await child.stdin.close().catch(() => {});
  });

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
  const stack = readFile();
  const { url } = stack;
  return {
    url,
    dir,
    stack,
    pids: () => readFile().pids,
    rpc: (name, args = {}) =>
      fetch(`${url}/rest/v1/rpc/${name}`, {
        method: "POST",
        headers: { apikey: stack.secretKey, "content-type": "application/json" },
        body: JSON.stringify(args),
      }),
    output: () => output,
    async stop() {
      if (code === undefined) child.kill("SIGINT");
      await Promise.all([ended, read]);
      await remove();
      const misfits = new Set(output.split("\n").filter((line) => line.includes(MISFIT)));
      if (misfits.size > 0) throw new Error([...misfits].join("\n"));
      return code!;
    },
    async kill9() {
      child.kill("SIGKILL");
      // Its output stays open for as long as a part of it lives on.
      await ended;
    },
  };
}

/** A folder that Postgres can reach whoever it runs as; removed with what is in it when it is disposed of. */
export async function temporaryFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir({ prefix: "gatelink-test-" });
  await Deno.chmod(path, 0o755);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** Makes a folder with functions, by name and source of index.ts; `health` comes by itself. */
export async function functionsFolder(parent: string, sources: Record<string, string>): Promise<string> {
  const folder = join(parent, "functions");
  const health = `export default { fetch: () => Response.json({ status: "ok" }) };`;
  for (const [name, source] of Object.entries({ health, ...sources })) {
    await Deno.mkdir(join(folder, name), { recursive: true });
    await Deno.writeTextFile(join(folder, name, "index.ts"), source);
  }
  return folder;
}

/**
 * Makes a folder with the functions of the repository and secrets of the test's own, which come before what a stack makes
 * up (`WHATSAPP_GRAPH_URL` and others): for {@linkcode StackOptions.functions}. It goes when it is disposed of.
 */
export async function functionsWith(
  secrets: Record<string, string>,
): Promise<AsyncDisposable & { path: string }> {
  const folder = await temporaryFolder();
  for await (const { name, isDirectory } of Deno.readDir(FUNCTIONS)) {
    if (!isDirectory || name.startsWith("_")) continue;
    await Deno.mkdir(join(folder.path, name));
    await Deno.writeTextFile(
      join(folder.path, name, "index.ts"),
      `export { default } from "${pathToFileURL(join(FUNCTIONS, name, "index.ts"))}";\n`,
    );
  }
  await Deno.writeTextFile(
    join(folder.path, ".env"),
    Object.entries(secrets).map(([name, value]) => `${name}=${value}\n`).join(""),
  );
  return folder;
}
