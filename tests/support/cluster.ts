/** The Postgres that tests run on: embedded, in a temporary folder, with a migrated database to copy from. */
import postgres, { type Sql } from "postgres";
import { bootstrap } from "../../local/bootstrap.ts";
import { migrate } from "../../local/migrate.ts";
import { dirname, join } from "../../local/paths.ts";
import { type Postgres, startPostgres } from "../../local/postgres.ts";
import { stopLeftover } from "../../local/postgres_server.ts";

/** Variable that tells a test process where the run's cluster is. */
export const CLUSTER_VARIABLE = "TEST_POSTGRES_URL";

/** Database with all migrations applied, that test databases begin as a copy of. */
export const TEMPLATE = "gatelink_template";

export interface TestCluster extends Postgres {
  /** Folder in which everything of the cluster is. */
  folder: string;
}

const PREFIX = "gatelink-test-cluster-";

/** Starts a cluster in a new temporary folder, with the migrated template in it. It keeps nothing safe on disk. */
export async function startTestCluster(): Promise<TestCluster> {
  await sweep();
  const folder = await Deno.makeTempDir({ prefix: PREFIX });
  const lock = await Deno.open(join(folder, "lock"), { create: true, write: true });
  await lock.lock(true);
  // The server may run as another user (when the tests run as root).
  await Deno.chmod(folder, 0o755);
  const server = await startPostgres({
    dataDir: join(folder, "postgres"),
    password: crypto.randomUUID(),
    durable: false,
  });
  const stop = async () => {
    await server.stop();
    lock.close();
    await Deno.remove(folder, { recursive: true });
  };
  try {
    await makeTemplate(server.url);
  } catch (error) {
    await stop();
    throw error;
  }
  return { ...server, folder, stop };
}

/** Ends and removes the clusters of runs that were killed: those whose lock nobody holds any more. */
async function sweep(): Promise<void> {
  const probe = await Deno.makeTempDir({ prefix: PREFIX });
  await Deno.remove(probe);
  const temp = dirname(probe);
  for await (const { name } of Deno.readDir(temp)) {
    if (!name.startsWith(PREFIX)) continue;
    const folder = join(temp, name);
    try {
      const made = (await Deno.stat(folder)).birthtime?.getTime() ?? 0;
      using lock = await Deno.open(join(folder, "lock"), { create: true, write: true });
      // A younger one may not have come to lock it yet.
      if (Date.now() - made < 60_000 || !await lock.tryLock(true)) continue;
      await stopLeftover(join(folder, "postgres"));
      await Deno.remove(folder, { recursive: true });
    } catch {
      // Somebody else's, or swept by another run at this moment.
    }
  }
}

async function makeTemplate(url: string): Promise<void> {
  const admin = connect(url);
  await admin.unsafe(`create database ${TEMPLATE}`);
  await admin.end();
  const sql = connect(onDatabase(url, TEMPLATE));
  try {
    await bootstrap(sql);
    await migrate(sql);
  } finally {
    await sql.end();
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
