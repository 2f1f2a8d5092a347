/**
 * The Postgres that tests run on: embedded, with a migrated database to copy from, and nothing safe on disk.
 *
 * What takes long is kept in `.gatelink-test/`: a stopped cluster with that database, named by a hash of what it is made
 * from. A run works on a copy, so that runs beside each other share nothing and a killed one breaks nothing. The copy is
 * in memory where the system has room for it: there a database is made in 20 ms, on a disk in 300.
 */
import { createHash } from "node:crypto";
import { statfsSync } from "node:fs";
import { cp } from "node:fs/promises";
import { tmpdir } from "node:os";
import postgres, { type Sql } from "postgres";
import { bootstrap } from "../../local/bootstrap.ts";
import { listMigrations, migrate } from "../../local/migrate.ts";
import { join, ROOT } from "../../local/paths.ts";
import { type Postgres, startPostgres } from "../../local/postgres.ts";
import { runAs } from "../../local/postgres_binaries.ts";
import { stopLeftover } from "../../local/postgres_server.ts";

/** Variable that tells a test process where the run's template is: the cluster's address, with the template's name. */
export const CLUSTER_VARIABLE = "TEST_POSTGRES_URL";

export interface TestCluster extends Postgres {
  /** Address of the database with all migrations applied, that test databases begin as a copy of. */
  template: string;
  /** A folder for what tests write, where the cluster is, that goes with it. */
  temporary: string;
  /** Stops it at once, for whoever can wait for nothing any more. */
  abandon(): void;
}

/** The folder that is kept. */
const KEPT = join(ROOT, ".gatelink-test");
const TEMPORARY = "gatelink-test-cluster-";
const TEMPLATE = "gatelink_template";
/** Where Linux has a file system in memory. What a whole run writes has to fit, and the tests beside it. */
const MEMORY = "/dev/shm", ROOM = 2 * 2 ** 30;

const OPTIONS = { password: "password of the tests", durable: false };

/** Starts a cluster of this run's own. */
export async function startTestCluster(): Promise<TestCluster> {
  const parent = temporaryParent();
  await sweep(parent);
  const folder = await Deno.makeTempDir({ dir: parent, prefix: TEMPORARY });
  const lock = (await tryLock(folder))!;
  // The server may run as another user (when the tests run as root).
  await Deno.chmod(folder, 0o755);
  const dataDir = join(folder, "postgres"), temporary = join(folder, "tmp");
  await Deno.mkdir(temporary);
  await Deno.chmod(temporary, 0o1777);
  await copyOfKept(dataDir);
  const server = await startPostgres({ ...OPTIONS, dataDir });
  return {
    ...server,
    template: onDatabase(server.url, TEMPLATE),
    temporary,
    async stop() {
      await server.stop();
      await Deno.remove(folder, { recursive: true });
      lock.close();
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
}

/** The folder for temporary clusters. */
function temporaryParent(): string {
  try {
    const { bavail, bsize } = statfsSync(MEMORY);
    if (Math.min(bavail * bsize, Deno.systemMemoryInfo().available / 2) >= ROOM) return MEMORY;
  } catch {
    // There is none here.
  }
  return tmpdir();
}

/** Puts a copy of the kept cluster there, which is made if it is not there or if what it is made from has changed. */
async function copyOfKept(dataDir: string): Promise<void> {
  await Deno.mkdir(KEPT, { recursive: true });
  await Deno.chmod(KEPT, 0o755);
  using lock = await Deno.open(join(KEPT, "lock"), { create: true, write: true });
  await lock.lock(true);
  const name = `postgres-${await templateHash()}`;
  const kept = join(KEPT, name);
  const there = Array.from(Deno.readDirSync(KEPT), ({ name }) => name);
  if (!there.includes(name)) {
    for (const other of there.filter((name) => name.startsWith("postgres"))) {
      await stopLeftover(join(KEPT, other));
      await Deno.remove(join(KEPT, other), { recursive: true });
    }
    await makeTemplate(join(KEPT, "postgres"));
    // Under its name once it is whole: a run may end on the way.
    await Deno.rename(join(KEPT, "postgres"), kept);
  }
  await cp(kept, dataDir, { recursive: true });
  await giveTo(dataDir, runAs([dataDir]).user);
}

/** Makes a cluster with the template, and stops it. */
async function makeTemplate(dataDir: string): Promise<void> {
  const server = await startPostgres({ ...OPTIONS, dataDir });
  try {
    const admin = connect(server.url);
    await admin.unsafe(`create database ${TEMPLATE}`).finally(() => admin.end());
    const sql = connect(onDatabase(server.url, TEMPLATE));
    try {
      await bootstrap(sql);
      await migrate(sql);
    } finally {
      await sql.end();
    }
  } finally {
    await server.stop();
  }
}

/** Postgres insists that its files belong to the user that it runs as, and to nobody else. */
async function giveTo(path: string, user: { uid: number; gid: number } | undefined): Promise<void> {
  await Deno.chmod(path, 0o700);
  if (!user) return;
  const give = (path: string) => {
    Deno.chownSync(path, user.uid, user.gid);
    if (!Deno.lstatSync(path).isDirectory) return;
    for (const { name } of Deno.readDirSync(path)) give(join(path, name));
  };
  give(path);
}

/** The lock of a folder, or undefined while somebody else has it. @throws when it is not there and shall not be made */
async function tryLock(folder: string, { create = true } = {}): Promise<Deno.FsFile | undefined> {
  const lock = await Deno.open(join(folder, "lock"), { create, write: true });
  if (await lock.tryLock(true)) return lock;
  lock.close();
}

/** Of everything that the template is made from. */
async function templateHash(): Promise<string> {
  const hash = createHash("sha256");
  // deno.json has the versions of Postgres and of the package that makes the schema auth.
  const sources = [join(ROOT, "deno.json"), join(ROOT, "local", "bootstrap.ts")];
  for (const path of [...sources, ...listMigrations().map(({ path }) => path)]) {
    hash.update(path.slice(ROOT.length)).update(await Deno.readFile(path));
  }
  return hash.digest("hex").slice(0, 16);
}

/** Ends and removes the temporary clusters of runs that were killed: those whose lock nobody holds any more. */
async function sweep(parent: string): Promise<void> {
  for await (const { name } of Deno.readDir(parent)) {
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

/** One superuser connection, or more. Notices are not printed. */
export function connect(url: string, max = 1): Sql {
  return postgres(url, { max, onnotice: () => {} });
}

/** The same server, another database. */
export function onDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}
