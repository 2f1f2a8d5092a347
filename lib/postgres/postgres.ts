/**
 * An embedded Postgres 17: created on first use, started, supervised, restarted if it dies, stopped cleanly.
 *
 * The caller has exclusive use of the data folder (local/project/data_folder.ts ensures that with a lock), so
 * a server that still runs on it is left over from a killed run and is stopped first.
 */
import { join } from "../paths.ts";
import { linkLibraries, postgresHome, runAs } from "./binaries.ts";
import { initialise, launch, type PostgresOptions, readText, stopLeftover } from "./server.ts";
import { PortInUse, UserError } from "../user_error.ts";

/** A running server. */
export interface Postgres {
  /** URL of the database `postgres`, including the password. */
  url: string;
  port: number;
  /** Current process id of the postmaster; changes after a restart. */
  pid(): number;
  /** Fast shutdown: open transactions are rolled back, all data is written, the process ends. */
  stop(): Promise<void>;
  /** Rejects if the server died and could not be restarted; never resolves. */
  failed: Promise<never>;
}

/** The major version of the cluster files that these binaries can read. */
const MAJOR = "17";
/** This many deaths within this time mean that the server itself is broken. */
const DEATHS = { most: 5, withinMs: 30_000 };

/** Number of ports to try: another program may take a port between its choice and its use. */
const PORTS = 5;

/**
 * Creates the cluster if needed and starts it. Resolves when it accepts connections.
 * @param choosePort Returns a free port.
 * @throws UserError, a sentence for the user, if it cannot be created or started.
 */
export async function startPostgres(
  options: PostgresOptions,
  choosePort: () => number = freePort,
): Promise<Postgres> {
  const home = postgresHome();
  linkLibraries(home);
  const { dataDir } = options;
  const as = runAs([join(home, "bin", "postgres"), dataDir]);
  await stopLeftover(dataDir);
  if (!exists(dataDir)) await initialise(home, as, options);
  const major = readText(join(dataDir, "PG_VERSION"))?.trim();
  if (major !== MAJOR) {
    throw new UserError(
      major === undefined
        ? `${dataDir} is not a Postgres data folder. Use --fresh to create a new one, or give another --data.`
        : `The data in ${dataDir} was written by Postgres ${major}, and this is Postgres ${MAJOR}. ` +
          `Use --fresh to create a new one (the data is lost), or give another --data.`,
    );
  }
  let port = options.port !== undefined && isFree(options.port) ? options.port : choosePort();
  const url = () =>
    `postgresql://postgres:${encodeURIComponent(options.password)}@127.0.0.1:${port}/postgres`;
  const start = () => launch(home, as, options, port, url());
  const firstStart = async () => {
    for (let tried = 1;; tried++) {
      try {
        return await start();
      } catch (error) {
        if (!(error instanceof PortInUse) || tried === PORTS) throw error;
        port = choosePort();
      }
    }
  };

  let server = await firstStart();
  let stopping = false;
  const deaths: number[] = [];
  const watch = async () => {
    for (;;) {
      await server.status;
      if (stopping) return;
      options.onRestart?.("died");
      const now = Date.now();
      deaths.push(now);
      if (deaths.filter((at) => now - at < DEATHS.withinMs).length > DEATHS.most) {
        throw new UserError(
          `Postgres died more than ${DEATHS.most} times in a row. Its last output: ${server.words()}`,
        );
      }
      server = await start();
      if (stopping) server.kill("SIGINT");
      else options.onRestart?.("back");
    }
  };
  const watched = watch();
  const failed = watched.then(() => new Promise<never>(() => {}));
  failed.catch(() => {});

  return {
    url: url(),
    port,
    failed,
    pid: () => server.pid,
    stop: async () => {
      stopping = true;
      server.ref();
      server.kill("SIGINT");
      await watched.catch(() => {});
    },
  };
}

/** A port on 127.0.0.1 that is free at this moment. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  try {
    return listener.addr.port;
  } finally {
    listener.close();
  }
}

function isFree(port: number): boolean {
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch {
    return false;
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}
