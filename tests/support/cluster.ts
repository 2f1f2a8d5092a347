/**
 * The Postgres that tests run on: embedded, with a migrated database to copy from, and nothing safe on disk.
 *
 * One cluster is kept between runs in `.gatelink-test/`, so that a run begins in half a second. Its template is named by
 * a hash of what makes it, and is made anew when that has changed. The folder belongs to one run at a time: a run beside
 * it gets a cluster of its own in a temporary folder, which goes with it.
 */
import { createHash } from "node:crypto";
import postgres, { type Sql } from "postgres";
import { bootstrap } from "../../local/bootstrap.ts";
import { listMigrations, migrate } from "../../local/migrate.ts";
import { dirname, join, ROOT } from "../../local/paths.ts";
import { type Postgres, startPostgres } from "../../local/postgres.ts";
import { stopLeftover } from "../../local/postgres_server.ts";
import { StackError } from "../../local/stack_error.ts";

/** Variable that tells a test process where the run's template is: the cluster's address, with the template's name. */
export const CLUSTER_VARIABLE = "TEST_POSTGRES_URL";

export interface TestCluster extends Postgres {
  /** Address of the database with all migrations applied, that test databases begin as a copy of. */
  template: string;
  /** Stops it at once, for whoever can wait for nothing any more. */
  abandon(): void;
}

/** The folder that is kept. */
const KEPT = join(ROOT, ".gatelink-test");
const TEMPORARY = "gatelink-test-cluster-";

/** Starts the kept cluster, or one of this run's own while another run has that. */
export async function startTestCluster(): Promise<TestCluster> {
  await Deno.mkdir(KEPT, { recursive: true });
  const lock = await tryLock(KEPT);
  if (lock) return await startIn(KEPT, lock, { kept: true });
  await sweep();
  const folder = await Deno.makeTempDir({ prefix: TEMPORARY });
  return await startIn(folder, (await tryLock(folder))!, { kept: false });
}

/** The lock of a folder, or undefined while somebody else has it. @throws when it is not there and shall not be made */
async function tryLock(folder: string, { create = true } = {}): Promise<Deno.FsFile | undefined> {
  const lock = await Deno.open(join(folder, "lock"), { create, write: true });
  if (await lock.tryLock(true)) return lock;
  lock.close();
}

async function startIn(folder: string, lock: Deno.FsFile, { kept }: { kept: boolean }): Promise<TestCluster> {
  // The server may run as another user (when the tests run as root).
  await Deno.chmod(folder, 0o755);
  const dataDir = join(folder, "postgres");
  const remove = () => Deno.remove(dataDir, { recursive: true });
  const start = () => startPostgres({ dataDir, password: "password of the tests", durable: false });
  let server: Postgres;
  try {
    server = await start();
  } catch (error) {
    // What is not safe on disk may be broken after a power cut; and another version of Postgres cannot read it.
    if (!kept || !(error instanceof StackError)) throw error;
    await remove();
    server = await start();
  }
  const release = async () => {
    await server.stop();
    if (!kept) await Deno.remove(folder, { recursive: true });
    lock.close();
  };
  try {
    return {
      ...server,
      template: await templateOn(server.url),
      stop: release,
      abandon() {
        Deno.kill(server.pid(), kept ? "SIGINT" : "SIGQUIT");
        if (kept) return;
        try {
          Deno.removeSync(folder, { recursive: true });
        } catch {
          // The server is still writing; a later run sweeps it away.
        }
      },
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/** Address of the template on this cluster, which is made if it is not there. What earlier runs left is removed. */
async function templateOn(url: string): Promise<string> {
  const name = `gatelink_${await templateHash()}`;
  const admin = connect(url);
  try {
    const left = await admin<{ name: string }[]>`
      select datname as name from pg_database
      where datname ~ '^(test|gatelink)_' and datname <> ${name}`;
    for (const { name } of left) await admin.unsafe(`drop database ${name} with (force)`);
    const made = await admin`select from pg_database where datname = ${name}`;
    if (made.length === 0) {
      // Under its name once it is whole: a run may end on the way.
      await admin.unsafe("create database gatelink_new");
      const sql = connect(onDatabase(url, "gatelink_new"));
      try {
        await bootstrap(sql);
        await migrate(sql);
      } finally {
        await sql.end();
      }
      await admin.unsafe(`alter database gatelink_new rename to ${name}`);
    }
    return onDatabase(url, name);
  } finally {
    await admin.end();
  }
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
async function sweep(): Promise<void> {
  const probe = await Deno.makeTempDir({ prefix: TEMPORARY });
  await Deno.remove(probe);
  const temp = dirname(probe);
  for await (const { name } of Deno.readDir(temp)) {
    if (!name.startsWith(TEMPORARY)) continue;
    const folder = join(temp, name);
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
