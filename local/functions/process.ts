/** Running the functions host: spawned, ready, started again when it dies, stopped in order. */
import { join, ROOT } from "../../lib/paths.ts";
import { type HostOptions, PORT_IN_USE } from "./host.ts";
import { PortInUse } from "../../lib/user_error.ts";

export interface ChildOptions {
  host: HostOptions;
  /** What the functions see, over this process's own environment. */
  env: Record<string, string>;
  /** The deno.json that names what the functions import. @default that of the checkout */
  config?: string;
  /** Told when it died and was started again, and when another took its place. @default nobody */
  onRestart?: (why: "died" | "renewed") => void;
}

export interface Child {
  pid(): number;
  /**
   * Starts another with these options in its place, which it leaves when it takes no more requests; it finishes what is
   * under way meanwhile. For the time of a start connections are refused. One at a time.
   */
  renew(change: Partial<Pick<ChildOptions, "host" | "env" | "config">>): Promise<void>;
  /** Lets it finish what is under way, and ends it. */
  stop(): Promise<void>;
  /** Rejects when it can't be started (again); never resolves. */
  failed: Promise<never>;
}

/** The wait before it is started again doubles up to the last of these, in milliseconds. */
const BACKOFF_MS = { first: 50, last: 5_000 };
/** One that lived so long begins with the first wait again. */
const STABLE_MS = 10_000;
/** After its own time for draining. */
const KILL_AFTER_MS = 8_000;

/** Starts the host. It may not listen yet when this returns. */
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

/** Tells it to finish what is under way and end; resolves when it is gone. It may be gone already. */
async function end(child: Deno.ChildProcess): Promise<void> {
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode("stop\n")).catch(() => {});
  const late = setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS);
  await child.status;
  clearTimeout(late);
  await writer.close().catch(() => {});
}

/** Resolves when nobody listens on a port. */
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

/** Detached: Ctrl-C reaches the supervisor alone, which stops this one when its work is done. */
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
