/**
 * A Postgres 17 of our own: made on first use, started, watched, started again when it dies, stopped cleanly.
 *
 * The caller holds the data folder alone (local/project/data_folder.ts sees to that with a lock), so a server that still
 * runs on it is left over from a killed run and is stopped first.
 */
import { join } from "../paths.ts";
import { linkLibraries, postgresHome, runAs } from "./binaries.ts";
import { initialise, launch, type PostgresOptions, readText, stopLeftover } from "./server.ts";
import { PortInUse, UserError } from "../user_error.ts";

/** A running server. */
export interface Postgres {
  /** Address of the database `postgres`, password included. */
  url: string;
  port: number;
  /** Process id of the postmaster now; changes when it is started again. */
  pid(): number;
  /** Fast shutdown: open transactions are rolled back, everything is written, the process is gone. */
  stop(): Promise<void>;
  /** Rejects when the server died and could not be started again; never resolves. */
  failed: Promise<never>;
}

/** Version of the files in a cluster's folder that these binaries can read. */
const MAJOR = "17";
/** So many deaths within this time mean that something is wrong with it, and not with the outside. */
const DEATHS = { most: 5, withinMs: 30_000 };

/** So many ports are tried: between the choice of one and its use another program may take it. */
const PORTS = 5;

/**
 * Makes the cluster if needed and starts it. Resolves when it accepts connections.
 * @param choosePort Gives a port that is free.
 * @throws UserError, a sentence for the user, when it can't be made or started.
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

/** A port on 127.0.0.1 that nobody listens on at this moment. */
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
