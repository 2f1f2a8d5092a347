/**
 * The cached, expensive part of the tests' Postgres, in `.gatelink-test/`: a stopped cluster with a migrated
 * database, named by a hash of its sources.
 */
import { createHash } from "node:crypto";
import { cp } from "node:fs/promises";
import { bootstrap } from "../../local/database/bootstrap.ts";
import { listMigrations, migrate } from "../../lib/migrate.ts";
import { join, ROOT } from "../../lib/paths.ts";
import { type Postgres, startPostgres } from "../../lib/postgres/postgres.ts";
import { runAs } from "../../lib/postgres/binaries.ts";
import { stopLeftover } from "../../lib/postgres/server.ts";
import { UserError } from "../../lib/user_error.ts";
import { connect, onDatabase } from "./connect.ts";

/** The folder that is kept. */
export const KEPT: string = join(ROOT, ".gatelink-test");
/** The migrated database in it. */
export const TEMPLATE = "gatelink_template";

/**
 * Sources of the template besides the migrations. deno.json has the versions of Postgres and of the package
 * that creates auth.
 */
const SOURCES = [
  "deno.json",
  "local/database/bootstrap.ts",
  "lib/migrate.ts",
  "lib/postgres/postgres.ts",
  "lib/postgres/binaries.ts",
  "lib/postgres/server.ts",
  "lib/sql_statements.ts",
  "tests/support/kept_cluster.ts",
];

const OPTIONS = { password: "password of the tests", durable: false };

/**
 * Starts a server on a copy of the cached cluster. A damaged cluster is recreated, once.
 * @throws {UserError} if it does not start
 */
export async function startOnCopy(dataDir: string, folder: string = KEPT): Promise<Postgres> {
  const attempt = async (again: boolean) => {
    await copyOfKept(dataDir, folder, again);
    const server = await startPostgres({ ...OPTIONS, dataDir });
    const sql = connect(onDatabase(server.url, TEMPLATE));
    try {
      await sql`select from supabase_migrations.schema_migrations`;
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    } finally {
      await sql.end();
    }
  };
  try {
    return await attempt(false).catch(async () => {
      await Deno.remove(dataDir, { recursive: true }).catch(() => {});
      return await attempt(true);
    });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UserError(
      `There is no Postgres for the tests. It is kept in ${folder}, which may be removed: ${why}`,
      {
        cause: error,
      },
    );
  }
}

/**
 * Copies the cached cluster, which is created first if it does not exist or its sources have changed.
 * @param anew Recreates it in any case.
 */
async function copyOfKept(dataDir: string, folder: string, anew: boolean): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  await Deno.chmod(folder, 0o755);
  using lock = await Deno.open(join(folder, "lock"), { create: true, write: true });
  await lock.lock(true);
  const name = `postgres-${await templateHash()}`;
  const kept = join(folder, name);
  const there = Array.from(Deno.readDirSync(folder), ({ name }) => name);
  if (anew || !there.includes(name)) {
    for (const other of there.filter((name) => name.startsWith("postgres"))) {
      await stopLeftover(join(folder, other));
      await Deno.remove(join(folder, other), { recursive: true });
    }
    await makeTemplate(join(folder, "postgres"));
    // Under its name once it is whole: a run may end on the way.
    await Deno.rename(join(folder, "postgres"), kept);
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
    await fillTemplate(onDatabase(server.url, TEMPLATE));
  } finally {
    await server.stop();
  }
}

/** Fills an empty database with what a Supabase project has, and all migrations. */
export async function fillTemplate(database: string): Promise<void> {
  const sql = connect(database);
  try {
    await bootstrap(sql);
    await migrate(sql);
  } finally {
    await sql.end();
  }
}

/** Postgres requires that its files belong only to the user that it runs as. */
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

/** Hash of all sources of the template. */
async function templateHash(): Promise<string> {
  const hash = createHash("sha256");
  for (
    const path of [
      ...SOURCES.map((path) => join(ROOT, path)),
      ...listMigrations().map(({ path }) => path),
    ]
  ) {
    hash.update(path.slice(ROOT.length)).update(await Deno.readFile(path));
  }
  return hash.digest("hex").slice(0, 16);
}
