/**
 * The database of a stack: an embedded Postgres in its data folder, or the user's own, named by DATABASE_URL.
 */
import postgres, { type Sql } from "postgres";
import { bootstrap } from "./bootstrap.ts";
import { provideCron } from "./cron.ts";
import type { DataFolder } from "../project/data_folder.ts";
import { migrate, type Migration, pendingMigrations } from "../../lib/migrate.ts";
import { join, MIGRATIONS } from "../../lib/paths.ts";
import { startPostgres } from "../../lib/postgres/postgres.ts";
import { UserError } from "../../lib/user_error.ts";

export interface Database {
  url: string;
  /** Connections of the supervisor itself, for migrations, seed and clock. */
  sql: Sql;
  /** Process id of the embedded server; undefined for the user's own database. */
  pid(): number | undefined;
  /**
   * Applies the pending migrations and returns them.
   * @param say Called if the database is ahead of this version.
   * @throws UserError with advice, if other migrations created the database.
   */
  migrate(say: (line: string) => void): Promise<Migration[]>;
  /** Closes the connections and stops the embedded server. */
  stop(): Promise<void>;
  /** Rejects if the embedded server cannot be kept running; never resolves. */
  failed: Promise<never>;
}

export interface DatabaseOptions {
  folder: DataFolder;
  /** Preferred TCP port of the embedded server; if it is in use, a free one is taken. */
  port: number;
  /** Called when the embedded server died and when it is back. */
  onRestart: (event: "died" | "back") => void;
}

/** Starts the embedded server. @throws UserError */
export async function embeddedDatabase({ folder, port, onRestart }: DatabaseOptions): Promise<Database> {
  const server = await startPostgres({
    dataDir: join(folder.path, "postgres"),
    password: folder.keys.dbPassword,
    port,
    onRestart,
  });
  const database = connect(server.url, {
    place: `The database in ${folder.path}`,
    remedy: "Use --fresh to start over (the data is lost), or give another --data.",
  });
  return {
    ...database,
    pid: server.pid,
    failed: server.failed,
    async stop() {
      await database.stop();
      await server.stop();
    },
  };
}

/** Connects to the user's own database. @throws UserError that says what is wrong with DATABASE_URL. */
export async function ownDatabase(url: string): Promise<Database> {
  const wrong = (what: string) => new UserError(`DATABASE_URL can't be used: ${what}`);
  const host = URL.canParse(url) && /^postgres(ql)?:$/.test(new URL(url).protocol) && new URL(url).hostname;
  if (!host) throw wrong("it is not of the form postgresql://user:password@host:5432/database.");
  if (/\.supabase\.(co|com|in)$/.test(host)) {
    throw wrong(
      `${host} is a hosted Supabase project, and the local stack would add an admin and demo content to it. ` +
        `To deploy to it, see docs/deploy.md.`,
    );
  }
  const database = connect(url, {
    place: `DATABASE_URL can't be used: the database ${new URL(url).pathname.slice(1)} on ${host}`,
    remedy: "Use the version that created it, or give an empty database (createdb). Nothing was changed.",
  });
  try {
    await database.sql`select 1`;
    return database;
  } catch (error) {
    await database.stop();
    const { code, message } = error as { code?: string; message?: string };
    if (code === "28P01" || code === "28000") throw wrong(`${host} refuses the user or password.`);
    if (code === "3D000") throw wrong(`${message}. Create it first, with createdb.`);
    throw wrong(`${host} can't be reached (${code ?? message}). Is it running there?`);
  }
}

/** @param foreign Its name in messages, and advice, if others created it. */
function connect(url: string, foreign: { place: string; remedy: string }): Database {
  const sql = postgres(url, { max: 4, connect_timeout: 10, onnotice: () => {} });
  return {
    url,
    sql,
    pid: () => undefined,
    failed: new Promise(() => {}),
    async migrate(say) {
      // Before anything is made in a database that may be somebody else's.
      await pendingMigrations(sql, MIGRATIONS, {
        ...foreign,
        onNewer: ({ version }) =>
          say(
            `${foreign.place} is from a newer version (migration ${version}); continuing, because migrations only add`,
          ),
      });
      await bootstrap(sql);
      const applied = await migrate(sql, MIGRATIONS, foreign);
      // Not before: migrations schedule the clock where pg_cron is there.
      await provideCron(sql);
      return applied;
    },
    stop: () => sql.end({ timeout: 2 }),
  };
}
