/** Runs the functions host: starts it, restarts it if it dies, stops it in order. */
import { join, ROOT } from "../../lib/paths.ts";
import { type HostOptions, PORT_IN_USE } from "./host.ts";
import { PortInUse } from "../../lib/user_error.ts";

export interface ChildOptions {
  host: HostOptions;
  /** Environment of the functions, added to this process's own. */
  env: Record<string, string>;
  /** The deno.json with the functions' imports. @default that of the checkout */
  config?: string;
  /** Called after it died and was restarted, and after it was replaced. @default none */
  onRestart?: (why: "died" | "renewed") => void;
}

export interface Child {
  pid(): number;
  /**
   * Replaces it with one that has these options. The old one finishes its current requests; connections are
   * refused until the new one has started. One call at a time.
   */
  renew(change: Partial<Pick<ChildOptions, "host" | "env" | "config">>): Promise<void>;
  /** Lets it finish its current work, and ends it. */
  stop(): Promise<void>;
  /** Rejects if it cannot be started (again); never resolves. */
  failed: Promise<never>;
}

/** The wait before a restart doubles up to the last of these, in milliseconds. */
const BACKOFF_MS = { first: 50, last: 5_000 };
/** After this lifetime the wait starts at the first value again, in milliseconds. */
const STABLE_MS = 10_000;
/** Longer than its own time limit for draining. */
const KILL_AFTER_MS = 8_000;

/** Starts the host, which may not listen yet when this returns. */
export function startFunctionsHost(options: ChildOptions): Child {
  const { port } = options.host;
  let current = options;
  let child = spawn(current);
  const leaving = new Set<Promise<void>>();
  let stopping = false;
  let wait = BACKOFF_MS.first;

  const watch = async () => {
    for (;;) {
      const began = performance.now();
      const watched = child;
      const { code } = await watched.status;
      if (stopping) return;
      if (child !== watched) continue;
      if (code === PORT_IN_USE) throw new PortInUse(port);
      if (performance.now() - began > STABLE_MS) wait = BACKOFF_MS.first;
      await new Promise((done) => setTimeout(done, wait));
      wait = Math.min(wait * 2, BACKOFF_MS.last);
      if (stopping) return;
      if (child !== watched) continue;
      child = spawn(current);
      options.onRestart?.("died");
    }
  };
  const watched = watch();
  const failed = watched.then(() => new Promise<never>(() => {}));
  failed.catch(() => {});

  return {
    pid: () => child.pid,
    failed,
    async renew(change) {
      current = { ...current, ...change };
      const left = end(child).finally(() => leaving.delete(left));
      leaving.add(left);
      await Promise.race([left, free(port)]);
      if (stopping) return;
      child = spawn(current);
      options.onRestart?.("renewed");
    },
    async stop() {
      stopping = true;
      await Promise.all([end(child), ...leaving]);
      await watched.catch(() => {});
    },
  };
}

/** Tells it to finish its current work and end; resolves when it has ended. It may have ended already. */
async function end(child: Deno.ChildProcess): Promise<void> {
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode("stop\n")).catch(() => {});
  const late = setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS);
  await child.status;
  clearTimeout(late);
  await writer.close().catch(() => {});
}

/** Resolves when a port is free. */
async function free(port: number): Promise<void> {
  for (;;) {
    try {
      return Deno.listen({ hostname: "127.0.0.1", port }).close();
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
    await new Promise((done) => setTimeout(done, 10));
  }
}

/** Detached: Ctrl-C reaches only the supervisor, which stops this process after its work. */
function spawn({ host, env, config }: ChildOptions): Deno.ChildProcess {
  // What was deployed has its packages from Deno's cache, as hosted from the bundle, and none beside it.
  const names = config === undefined
    ? [`--config=${join(ROOT, "deno.json")}`]
    : [`--config=${config}`, "--no-lock", "--node-modules-dir=none"];
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-all",
      "--no-check",
      ...names,
      join(ROOT, "local", "functions", "host.ts"),
      JSON.stringify(host),
    ],
    env,
    stdin: "piped",
    detached: true,
  }).spawn();
}
