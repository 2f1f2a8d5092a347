/** Applies the migrations of supabase/migrations, and records them as the supabase CLI does. */
import type { Sql } from "postgres";
import { join, MIGRATIONS } from "./paths.ts";
import { StackError } from "./stack_error.ts";
import { sqlStatements } from "./sql_statements.ts";

/** One file of supabase/migrations, as `20261129000100_foundation.sql`. */
export interface Migration {
  /** The leading digits; orders the files and is their identity. */
  version: string;
  name: string;
  path: string;
}

/** The files of a folder that count as migrations, oldest first. Folders and other names are skipped. */
export function listMigrations(folder: string = MIGRATIONS): Migration[] {
  return [...Deno.readDirSync(folder)]
    .filter((entry) => entry.isFile)
    .flatMap(({ name }) => {
      const match = /^([0-9]+)_(.*)\.sql$/.exec(name);
      return match ? [{ version: match[1], name: match[2], path: join(folder, name) }] : [];
    })
    .sort((a, b) => a.version < b.version ? -1 : 1);
}

/** The CLI's own table, so that `supabase db push` and `migration list` go on from here. */
const HISTORY = `
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (version text not null primary key);
alter table supabase_migrations.schema_migrations add column if not exists statements text[];
alter table supabase_migrations.schema_migrations add column if not exists name text;
`;

/** Any number: two starts on one database take turns. */
const LOCK = 7_205_759_403;

/**
 * Applies what is not applied yet, each file in one transaction with its record, and returns those applied now.
 * @throws StackError that names the file and the line when one fails; those before it stay applied.
 */
export async function migrate(sql: Sql, folder: string = MIGRATIONS): Promise<Migration[]> {
  const one = await sql.reserve();
  try {
    await one`select pg_advisory_lock(${LOCK})`;
    await one.unsafe(HISTORY);
    const rows = await one`select version from supabase_migrations.schema_migrations`;
    const known = new Set(rows.map((row) => row.version));
    const pending = listMigrations(folder).filter((migration) => !known.has(migration.version));
    for (const migration of pending) await apply(one, migration);
    return pending;
  } finally {
    await one`select pg_advisory_unlock(${LOCK})`.catch(() => {});
    one.release();
  }
}

async function apply(sql: Sql, { version, name, path }: Migration): Promise<void> {
  const text = await Deno.readTextFile(path);
  await sql`begin`;
  try {
    await sql.unsafe(text);
    await sql`insert into supabase_migrations.schema_migrations (version, name, statements)
      values (${version}, ${name}, ${sqlStatements(text)})`;
    await sql`commit`;
  } catch (error) {
    await sql`rollback`;
    throw new StackError(`Migration ${version}_${name}.sql failed${place(text, error)}`, { cause: error });
  }
}

/** " at line 12: message", with Postgres's hint and context when it gives them. */
function place(text: string, error: unknown): string {
  if (!(error instanceof Error)) return `: ${error}`;
  const { position, hint, detail, where } = error as Error & Record<string, string | undefined>;
  const line = position === undefined ? "" : ` at line ${text.slice(0, Number(position)).split("\n").length}`;
  return [`${line}: ${error.message}`, detail, hint, where].filter(Boolean).join("\n  ");
}
