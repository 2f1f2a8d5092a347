/** Applies the migrations of supabase/migrations, and records them as the supabase CLI does. */
import type { Sql } from "postgres";
import { join, MIGRATIONS } from "./paths.ts";
import { UserError } from "./user_error.ts";
import { sqlStatements } from "./sql_statements.ts";

/** One file of supabase/migrations, as `20261129000100_foundation.sql`. */
export interface Migration {
  /** The leading digits; orders the files and is their identity. */
  version: string;
  name: string;
  path: string;
}

/** The migration files of a folder, oldest first. Folders and other names are skipped. */
export function listMigrations(folder: string = MIGRATIONS): Migration[] {
  return [...Deno.readDirSync(folder)]
    .filter((entry) => entry.isFile)
    .flatMap(({ name }) => {
      const match = /^([0-9]+)_(.*)\.sql$/.exec(name);
      return match ? [{ version: match[1], name: match[2], path: join(folder, name) }] : [];
    })
    .sort((a, b) => a.version < b.version ? -1 : 1);
}

/** The Supabase CLI's own table, so that `supabase db push` and `migration list` continue from it. */
const HISTORY = `
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (version text not null primary key);
alter table supabase_migrations.schema_migrations add column if not exists statements text[];
alter table supabase_migrations.schema_migrations add column if not exists name text;
`;

/** An arbitrary number: two starts on one database take turns. */
const LOCK = 7_205_759_403;

/** A migration as recorded in a database. Older versions of the CLI recorded no name. */
export interface Recorded {
  version: string;
  name: string | null;
}

/** A database compared with the files of a checkout. */
export interface Standing {
  /** Files that have not been applied, oldest first. */
  pending: Migration[];
  /** Applied migrations without a file, oldest first. */
  unknown: Recorded[];
  /**
   * Whether all unknown migrations came after our newest, and all of ours are applied: the database of a
   * newer checkout.
   */
  newer: boolean;
}

/** Compares the migrations recorded in a database with the files of a checkout. */
export function standing(files: readonly Migration[], recorded: readonly Recorded[]): Standing {
  const [ours, theirs] = [files, recorded].map((list) => new Set(list.map(({ version }) => version)));
  const pending = files.filter(({ version }) => !theirs.has(version));
  const unknown = recorded.filter(({ version }) => !ours.has(version))
    .sort((a, b) => a.version < b.version ? -1 : 1);
  const newest = files.at(-1)?.version ?? "";
  const newer = unknown.length > 0 && pending.length === 0 &&
    unknown.every(({ version }) => version > newest);
  return { pending, unknown, newer };
}

/** The database was created by files that this checkout does not have. Nothing was changed in it. */
export class ForeignDatabase extends UserError {
  override name = "ForeignDatabase";

  constructor(readonly unknown: readonly Recorded[], options: { place: string; remedy: string }) {
    super(
      `${options.place} was created by different migrations: it has ${named(unknown)}, ` +
        `which supabase/migrations does not have. ${options.remedy}`,
    );
  }
}

/** "a, b and 55 more", from the oldest. */
function named(recorded: readonly Recorded[]): string {
  const names = recorded.slice(0, 2).map(({ version, name }) => name ? `${version}_${name}` : version);
  return recorded.length > 2 ? `${names.join(", ")} and ${recorded.length - 2} more` : names.join(" and ");
}

/** The recorded migrations of a database; empty if there is no record. Changes nothing. */
async function recordOf(sql: Sql): Promise<Recorded[]> {
  const [{ kept }] =
    await sql`select to_regclass('supabase_migrations.schema_migrations') is not null as kept`;
  if (!kept) return [];
  return await sql<Recorded[]>`
    select version, to_jsonb(m) ->> 'name' as name from supabase_migrations.schema_migrations m`;
}

/** The recorded migrations that the database marks as ours; undefined if it has no such list. */
async function ownOf(sql: Sql): Promise<Set<string> | undefined> {
  const [{ kept }] = await sql`select to_regclass('private.own_migrations') is not null as kept`;
  if (!kept) return undefined;
  const rows = await sql<{ version: string }[]>`select version from private.own_migrations`;
  return new Set(rows.map(({ version }) => version));
}

/**
 * The part of a record that is ours: the files of a checkout, and what the database lists as ours. Other
 * migrations of the same project (a table of its own, made in the dashboard or by another repository) are
 * left out. If the database has no list, or its list contains a migration that the record does not, nothing
 * can be told apart, and everything counts.
 */
async function oursOf(
  sql: Sql,
  files: readonly Migration[],
  recorded: readonly Recorded[],
): Promise<readonly Recorded[]> {
  const own = await ownOf(sql);
  const { pending } = standing(files, recorded);
  if (own === undefined || pending.some(({ version }) => own.has(version))) return recorded;
  const named = new Set(files.map(({ version }) => version));
  return recorded.filter(({ version }) => own.has(version) || named.has(version));
}

/** The newest migration of a database that older code must not run on. */
async function breakingOf(sql: Sql): Promise<{ version: string; why: string } | undefined> {
  const [{ kept }] = await sql`select to_regclass('private.schema_breaks') is not null as kept`;
  if (!kept) return undefined;
  const [newest] = await sql<{ version: string; why: string }[]>`
    select version, why from private.schema_breaks order by version desc limit 1`;
  return newest;
}

export interface MigrateOptions {
  /** Name of the database in messages to its user. @default "This database" */
  place?: string;
  /** What that user can do if other files created the database. @default to take an empty one */
  remedy?: string;
  /** Called if the database is ahead of the files, with its newest migration. Nothing is applied then. */
  onNewer?: (newest: Recorded) => void;
}

/**
 * The migrations to apply to a database. Changes nothing.
 * @throws UserError if the database is newer and breaks this version.
 * @throws ForeignDatabase if it has migrations that the folder does not, and is not merely newer.
 */
export async function pendingMigrations(
  sql: Sql,
  folder: string = MIGRATIONS,
  { place = "This database", remedy = "Use an empty one.", onNewer }: MigrateOptions = {},
): Promise<Migration[]> {
  const files = listMigrations(folder);
  const { pending, unknown, newer } = standing(files, await oursOf(sql, files, await recordOf(sql)));
  if (newer) {
    const breaks = await breakingOf(sql);
    if (breaks !== undefined && breaks.version > files.at(-1)!.version) {
      throw new UserError(
        `${place} is from a newer version, which this version cannot run on: migration ${breaks.version} breaks ` +
          `older versions (${breaks.why}). Use the newer version. ${remedy}`,
      );
    }
    onNewer?.(unknown.at(-1)!);
  } // Failure policy: closed. On top of a database that others made, ours could do anything.
  else if (unknown.length > 0) throw new ForeignDatabase(unknown, { place, remedy });
  return pending;
}

/**
 * Applies the pending migrations, each file in one transaction with its record, and returns them.
 * @throws ForeignDatabase like pendingMigrations(), before anything is changed.
 * @throws UserError that names the file and the line if one fails; those before it stay applied.
 */
export async function migrate(
  sql: Sql,
  folder: string = MIGRATIONS,
  options: MigrateOptions = {},
): Promise<Migration[]> {
  const one = await sql.reserve();
  try {
    await one`select pg_advisory_lock(${LOCK})`;
    const pending = await pendingMigrations(one, folder, options);
    await one.unsafe(HISTORY);
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
    throw new UserError(`Migration ${version}_${name}.sql failed${place(text, error)}`, { cause: error });
  }
}

/** " at line 12: message", with Postgres's hint and context if there are any. */
function place(text: string, error: unknown): string {
  if (!(error instanceof Error)) return `: ${error}`;
  const { position, hint, detail, where } = error as Error & Record<string, string | undefined>;
  const line = position === undefined ? "" : ` at line ${text.slice(0, Number(position)).split("\n").length}`;
  return [`${line}: ${error.message}`, detail, hint, where].filter(Boolean).join("\n  ");
}
