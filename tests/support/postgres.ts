/**
 * Databases for tests: real, fresh, migrated, one per call.
 *
 * One cluster serves a whole run of tests/run.ts, which gives its address in TEST_POSTGRES_URL. A test file that is
 * run by `deno test` itself starts the cluster, and stops it when it is done.
 */
import type { Sql } from "postgres";
import { CLUSTER_VARIABLE, startTestCluster } from "./cluster.ts";
import { connect, onDatabase } from "./connect.ts";

export interface TestDatabase {
  /** Address of the database, as superuser. */
  url: string;
  /** postgres.js on it, as superuser, at most 10 connections. */
  sql: Sql;
  /** Closes `sql` and removes the database, whoever else is still connected. */
  drop(): Promise<void>;
}

const shared = Deno.env.get(CLUSTER_VARIABLE);
// Started while the file loads: within a test the leak checks would object to a process that outlives it.
const cluster = shared === undefined ? await startTestCluster() : undefined;
// Nothing asynchronous runs any more when a file is unloaded.
if (cluster) addEventListener("unload", () => cluster.abandon());
/** Address of the migrated database that test databases begin as a copy of, as superuser. */
export const templateUrl: string = shared ?? cluster!.template;
/** Address of the cluster's database `postgres`, as superuser. */
export const clusterUrl: string = onDatabase(templateUrl, "postgres");

/**
 * Makes a database of its own for a test.
 * @param options.empty true leaves out everything: no roles' grants, no auth schema, no migrations.
 *
 * @example
 * ```ts
 * const db = await testDatabase();
 * try {
 *   await db.sql`select 1`;
 * } finally {
 *   await db.drop();
 * }
 * ```
 */
export async function testDatabase(options: { empty?: boolean } = {}): Promise<TestDatabase> {
  const name = `test_${crypto.randomUUID().replaceAll("-", "")}`;
  const template = options.empty ? "template0" : new URL(templateUrl).pathname.slice(1);
  // Faster than through the log where nothing has to be safe on disk.
  await administer(`create database ${name} template ${template} strategy file_copy`);
  const url = onDatabase(clusterUrl, name);
  const sql = connect(url, 10);
  return {
    url,
    sql,
    drop: async () => {
      await sql.end({ timeout: 1 });
      await administer(`drop database ${name} with (force)`);
    },
  };
}

async function administer(statement: string): Promise<void> {
  const sql = connect(clusterUrl);
  try {
    await sql.unsafe(statement);
  } finally {
    await sql.end();
  }
}
