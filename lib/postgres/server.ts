/** Runs the programs of the embedded Postgres: initdb, postgres, pg_ctl. */
import postgres from "postgres";
import { join } from "../paths.ts";
import { postgresHome, type RunAs, runAs } from "./binaries.ts";
import { describeProcess, isRunning } from "../processes.ts";
import { PortInUse, UserError } from "../user_error.ts";

export interface PostgresOptions {
  /** Folder for the cluster itself; created if it does not exist. Its parent must exist. */
  dataDir: string;
  /** Password of the superuser `postgres`; a cluster keeps its first one. */
  password: string;
  /** Preferred TCP port on 127.0.0.1; if it is in use, a free one is taken. @default a free one */
  port?: number;
  /**
   * False trades all durability for speed (no fsync, no full page writes), for disposable data.
   * @default true
   */
  durable?: boolean;
  /** Called for each line that the server logs. @default none */
  onLog?: (line: string) => void;
  /** Called when the server died and when it is back. @default none */
  onRestart?: (event: "died" | "back") => void;
}

const SETTINGS: Record<string, string> = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  max_connections: "200",
  shared_buffers: "256MB",
  work_mem: "16MB",
  // Statements here are short: compiling them costs more than it saves.
  jit: "off",
  // Parallel plans need /dev/shm, which containers keep at 64 MB.
  max_parallel_workers_per_gather: "0",
  // Nothing replicates from here.
  wal_level: "minimal",
  max_wal_senders: "0",
  max_wal_size: "2GB",
  checkpoint_timeout: "15min",
  timezone: "UTC",
  log_timezone: "UTC",
  log_line_prefix: "",
};
const DURABLE = { fsync: "on", synchronous_commit: "on", full_page_writes: "on" };
const VOLATILE = { fsync: "off", synchronous_commit: "off", full_page_writes: "off" };

const START_TIMEOUT_MS = 60_000;

/** A running postmaster. */
export interface Server {
  pid: number;
  status: Promise<unknown>;
  /** From now on, the server keeps this process alive. */
  ref(): void;
  kill(signal: Deno.Signal): void;
  /** The end of its log. */
  words(): string;
}

/**
 * Starts a server on a cluster. Resolves when it accepts connections.
 * @throws {PortInUse} if another process uses the port
 * @throws UserError with its output, if it does not start.
 */
export async function launch(
  home: string,
  as: RunAs,
  options: PostgresOptions,
  port: number,
  url: string,
): Promise<Server> {
  const settings = { ...SETTINGS, ...(options.durable === false ? VOLATILE : DURABLE), port: String(port) };
  const args = ["-D", options.dataDir, ...Object.entries(settings).flatMap(([k, v]) => ["-c", `${k}=${v}`])];
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    const child = command(as, join(home, "bin", "postgres"), args).spawn();
    const lines: string[] = [];
    // A server that is left running keeps nobody's program alive.
    child.unref();
    eachLine(child.stderr, (line) => {
      lines.push(line);
      if (lines.length > 40) lines.shift();
      options.onLog?.(line);
    });
    let gone = false;
    child.status.then(() => gone = true);
    while (!gone && Date.now() < deadline) {
      if (await accepts(url, options.dataDir)) {
        return {
          pid: child.pid,
          status: child.status,
          ref: () => child.ref(),
          kill: (signal) => kill(child, signal),
          words: () => lines.join(" | "),
        };
      }
      await new Promise((done) => setTimeout(done, 25));
    }
    const words = lines.join(" | ");
    // After a kill -9 of the postmaster its children need a moment to notice.
    if (gone && Date.now() < deadline && /pre-existing shared memory block|is still in use/.test(words)) {
      await new Promise((done) => setTimeout(done, 100));
      continue;
    }
    if (!gone) kill(child, "SIGQUIT");
    await child.status;
    throw explain(words, options.dataDir, port);
  }
}

/**
 * Runs initdb beside the final place and moves the result there, so that a killed first start leaves no half
 * cluster.
 */
export async function initialise(home: string, as: RunAs, options: PostgresOptions): Promise<void> {
  const making = `${options.dataDir}.new`;
  const secret = `${options.dataDir}.password`;
  await Deno.remove(making, { recursive: true }).catch(() => {});
  await Deno.mkdir(making, { mode: 0o700 });
  await Deno.writeTextFile(secret, options.password, { mode: 0o600 });
  if (as.user) {
    await Deno.chown(making, as.user.uid, as.user.gid);
    await Deno.chown(secret, as.user.uid, as.user.gid);
  }
  const { success, stderr } = await command(as, join(home, "bin", "initdb"), [
    `--pgdata=${making}`,
    "--username=postgres",
    `--pwfile=${secret}`,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    // The same on every machine, whatever locales it has.
    "--no-locale",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    ...(options.durable === false ? ["--no-sync"] : []),
  ]).output();
  await Deno.remove(secret);
  if (!success) {
    const words = new TextDecoder().decode(stderr);
    await Deno.remove(making, { recursive: true }).catch(() => {});
    throw explain(words.trim().replaceAll(/\s*\n\s*/g, " | "), options.dataDir, 0);
  }
  await Deno.rename(making, options.dataDir);
}

/**
 * Stops a server that a killed run left behind on this folder. The caller must have exclusive use of the
 * folder.
 * @throws UserError if it does not stop.
 */
export async function stopLeftover(dataDir: string): Promise<void> {
  const pidFile = join(dataDir, "postmaster.pid");
  const pid = Number(readText(pidFile)?.split("\n")[0] ?? NaN);
  if (!Number.isInteger(pid) || pid <= 0) return;
  if (!isPostgres(pid)) {
    // Another program has that number now; Postgres would take it for a running server and refuse to start.
    await Deno.remove(pidFile);
    return;
  }
  const home = postgresHome();
  const as = runAs([join(home, "bin", "pg_ctl"), dataDir]);
  for (const mode of ["fast", "immediate"]) {
    const { success } = await command(as, join(home, "bin", "pg_ctl"), [
      "stop",
      `--pgdata=${dataDir}`,
      `--mode=${mode}`,
      "--timeout=20",
    ]).output();
    if (success || !isPostgres(pid)) return;
  }
  throw new UserError(`A Postgres of an earlier run (process ${pid}) uses ${dataDir} and does not stop.`);
}

function isPostgres(pid: number): boolean {
  return isRunning(pid) && /postgres( -D |\.exe")/.test(describeProcess(pid)?.args ?? "");
}

/** Turns Postgres's output into advice for the user. */
function explain(words: string, dataDir: string, port: number): UserError {
  if (/Address already in use|could not bind/i.test(words)) {
    return new PortInUse(port, `Port ${port} on 127.0.0.1, which Postgres needs, is in use.`);
  }
  return new UserError(explanation(words, dataDir));
}

function explanation(words: string, dataDir: string): string {
  if (/No space left on device|disk full|Check free disk space/i.test(words)) {
    return `There is no free disk space for ${dataDir}. Free some, or give --data a folder on another disk.`;
  }
  if (/Permission denied|has wrong ownership|Read-only file system|invalid permissions/i.test(words)) {
    return `Postgres can't use ${dataDir}: ${words}. Give --data a folder of your own.`;
  }
  return `Postgres did not start on ${dataDir}: ${words || "no output"}. ` +
    `If the data is broken, use --fresh to create a new one (the data is lost).`;
}

/**
 * Whether the server of this folder accepts connections there: another server may have taken the port first.
 */
async function accepts(url: string, dataDir: string): Promise<boolean> {
  const sql = postgres(url, { max: 1, connect_timeout: 5, onnotice: () => {}, fetch_types: false });
  try {
    const [{ dir }] = await sql<{ dir: string }[]>`select current_setting('data_directory') as dir`;
    return Deno.realPathSync(dir) === Deno.realPathSync(dataDir);
  } catch {
    return false;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Detached: Ctrl-C reaches only the supervisor, which stops the rest in order. */
function command(as: RunAs, program: string, args: string[]): Deno.Command {
  const [first, ...rest] = [...as.prefix, program, ...args];
  return new Deno.Command(first, {
    args: rest,
    ...(as.prefix.length === 0 ? as.user : undefined),
    env: { LC_ALL: "C", LC_MESSAGES: "C" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    detached: true,
  });
}

function kill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // It is gone already.
  }
}

async function eachLine(stream: ReadableStream<Uint8Array>, use: (line: string) => void): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    lines.forEach(use);
  }
}

/** The text of a file; undefined if it cannot be read. */
export function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}
