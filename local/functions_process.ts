/** Running the functions host: spawned, ready, started again when it dies, stopped in order. */
import { join, ROOT } from "./paths.ts";
import { type HostOptions, PORT_IN_USE } from "./functions_host.ts";
import { StackError } from "./stack_error.ts";

export interface ChildOptions {
  host: HostOptions;
  /** What the functions see, over this process's own environment. */
  env: Record<string, string>;
  /** Told when it died and was started again. @default nobody */
  onRestart?: () => void;
}

export interface Child {
  pid(): number;
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
  let child = spawn(options);
  let stopping = false;
  let wait = BACKOFF_MS.first;

  const watch = async () => {
    for (;;) {
      const began = performance.now();
      const { code } = await child.status;
      if (stopping) return;
      if (code === PORT_IN_USE) throw portInUse(port);
      if (performance.now() - began > STABLE_MS) wait = BACKOFF_MS.first;
      await new Promise((done) => setTimeout(done, wait));
      wait = Math.min(wait * 2, BACKOFF_MS.last);
      if (stopping) return;
      child = spawn(options);
      options.onRestart?.();
    }
  };
  const watched = watch();
  const failed = watched.then(() => new Promise<never>(() => {}));
  failed.catch(() => {});

  return {
    pid: () => child.pid,
    failed,
    async stop() {
      stopping = true;
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode("stop\n")).catch(() => {});
      const late = setTimeout(() => child.kill("SIGKILL"), KILL_AFTER_MS);
      await watched.catch(() => {});
      clearTimeout(late);
      await writer.close().catch(() => {});
    },
  };
}

/** The sentence for a port that somebody else has. */
export function portInUse(port: number): StackError {
  return new StackError(`Port ${port} is in use. Stop what listens there, or choose another with --port.`);
}

/** Detached: Ctrl-C reaches the supervisor alone, which stops this one when its work is done. */
function spawn({ host, env }: ChildOptions): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-all",
      "--no-check",
      `--config=${join(ROOT, "deno.json")}`,
      join(ROOT, "local", "functions_host.ts"),
      JSON.stringify(host),
    ],
    env,
    stdin: "piped",
    detached: true,
  }).spawn();
}
