/**
 * The Postgres of the tests: embedded, with a migrated database to copy from, and without durability.
 *
 * Expensive results are cached (tests/support/kept_cluster.ts). A run works on a copy, so that concurrent
 * runs share nothing and a killed one breaks nothing. The copy is in memory if the system has room for it:
 * creating a database takes 20 ms there, and 300 on a disk.
 */
import { statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "../../lib/paths.ts";
import { readText, stopLeftover } from "../../lib/postgres/server.ts";
import { UserError } from "../../lib/user_error.ts";
import { connect, onDatabase } from "./connect.ts";
import { fillTemplate, startOnCopy, TEMPLATE } from "./kept_cluster.ts";

/**
 * Variable that tells a test process the location of the run's template: the cluster's address, with the
 * template's name.
 */
export const CLUSTER_VARIABLE = "TEST_POSTGRES_URL";

export interface TestCluster {
  /** Address of the database with all migrations applied, that test databases begin as a copy of. */
  template: string;
  /** Address of the database `postgres`, password included. */
  url: string;
  /**
   * A folder for files of tests, beside the cluster and removed with it; undefined if no program may be run
   * from it.
   */
  temporary: string | undefined;
  stop(): Promise<void>;
  /** Stops it immediately, for callers that cannot wait. */
  abandon(): void;
}

const TEMPORARY = "gatelink-test-cluster-";
/** Where Linux has a file system in memory. What a whole run writes has to fit, and the tests beside it. */
const MEMORY = "/dev/shm", ROOM = 2 * 2 ** 30;

/** Variable with the address of a server to use instead, as superuser; for other versions of Postgres. */
export const SERVER_VARIABLE = "TEST_SERVER_URL";

/**
 * Starts a cluster for this run, or creates a template on the server that the environment names.
 * @throws {UserError} if it does not start; then it leaves nothing behind
 */
export async function startTestCluster(): Promise<TestCluster> {
  const given = Deno.env.get(SERVER_VARIABLE);
  return given ? await templateOn(given) : await startOwnCluster();
}

/** A template on an existing server, removed at the end of the run. The roles that it needs remain. */
async function templateOn(server: string): Promise<TestCluster> {
  const name = `${TEMPLATE}_${crypto.randomUUID().replaceAll("-", "")}`;
  const administer = async (statement: string) => {
    const sql = connect(server);
    await sql.unsafe(statement).finally(() => sql.end());
  };
  const template = onDatabase(server, name);
  const stop = () => administer(`drop database if exists ${name} with (force)`);
  try {
    await administer(`create database ${name}`);
    await fillTemplate(template);
  } catch (error) {
    await stop().catch(() => {});
    const why = error instanceof Error ? error.message : String(error);
    throw new UserError(`The server of ${SERVER_VARIABLE} cannot be used: ${why}`, { cause: error });
  }
  return { url: server, template, temporary: undefined, stop, abandon() {} };
}

async function startOwnCluster(): Promise<TestCluster> {
  for (const place of new Set([MEMORY, tmpdir()])) await sweep(place);
  const parent = temporaryParent();
  const folder = await Deno.makeTempDir({ dir: parent, prefix: TEMPORARY });
  const lock = (await tryLock(folder))!;
  const remove = async () => {
    await Deno.remove(folder, { recursive: true });
    lock.close();
  };
  try {
    // The server may run as another user (when the tests run as root).
    await Deno.chmod(folder, 0o755);
    const temporary = runsPrograms(parent) ? join(folder, "tmp") : undefined;
    if (temporary !== undefined) {
      await Deno.mkdir(temporary);
      await Deno.chmod(temporary, 0o1777);
    }
    const server = await startOnCopy(join(folder, "postgres"));
    return {
      ...server,
      template: onDatabase(server.url, TEMPLATE),
      temporary,
      async stop() {
        await server.stop();
        await remove();
      },
      abandon() {
        Deno.kill(server.pid(), "SIGQUIT");
        try {
          Deno.removeSync(folder, { recursive: true });
        } catch {
          // The server is still writing; a later run sweeps it away.
        }
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Whether programs may be run from a folder; Docker forbids it in memory. */
function runsPrograms(place: string): boolean {
  const mount = readText("/proc/self/mounts")?.split("\n").find((line) => line.split(" ")[1] === place);
  return !mount?.split(" ")[3].split(",").includes("noexec");
}

/** The folder for temporary clusters. */
function temporaryParent(): string {
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    if (Math.min(bavail * bsize, freeMemory() / 2) >= ROOM) return MEMORY;
  } catch {
    // There is none here.
  }
  return tmpdir();
}

/** Available memory in bytes: of the machine, and of the container if there is one. */
function freeMemory(): number {
  const group = (name: string) => Number(readText(`/sys/fs/cgroup/memory.${name}`) ?? NaN);
  const left = group("max") - group("current");
  const { available } = Deno.systemMemoryInfo();
  return Number.isNaN(left) ? available : Math.min(left, available);
}

/**
 * The lock of a folder; undefined while another process holds it. @throws if it does not exist and must not
 * be created
 */
async function tryLock(folder: string, { create = true } = {}): Promise<Deno.FsFile | undefined> {
  const lock = await Deno.open(join(folder, "lock"), { create, write: true });
  if (await lock.tryLock(true)) return lock;
  lock.close();
}

/** Stops and removes the temporary clusters of killed runs, whose lock is free. */
async function sweep(parent: string): Promise<void> {
  let names: string[] = [];
  try {
    names = Array.from(Deno.readDirSync(parent), ({ name }) => name);
  } catch {
    // There is no such place here.
  }
  for (const name of names) {
    if (!name.startsWith(TEMPORARY)) continue;
    const folder = join(parent, name);
    try {
      const made = (await Deno.stat(folder)).birthtime?.getTime() ?? 0;
      // A younger one may not have come to lock it yet.
      if (Date.now() - made < 60_000) continue;
      // Made here it would come in the way of who is removing the folder.
      using lock = await tryLock(folder, { create: false });
      if (!lock) continue;
      await stopLeftover(join(folder, "postgres"));
      await Deno.remove(folder, { recursive: true });
    } catch {
      // Somebody else's, or swept by another run at this moment.
    }
  }
}
