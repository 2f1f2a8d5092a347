/**
 * Reverts one migration with its reverse file, in one transaction with its entry in the history: first
 * rehearsed behind a savepoint to see what it would destroy, then done.
 */
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import type { Sql, TransactionSql } from "postgres";
import { basename, dirname, join } from "node:path";
import type { Migration } from "../../../lib/migrate.ts";
import { CliError } from "../../core/errors.ts";

/** What a reverse destroys in a table. */
export interface Loss {
  table: string;
  /** A column of it; undefined if rows are deleted. */
  column?: string;
  rows: number;
}

/** `3 rows of public.clicks`, `12 values of public.links.title`. */
export function describeLoss({ table, column, rows }: Loss): string {
  return column === undefined
    ? `${counted(rows, "row")} of ${table}`
    : `${counted(rows, "value")} of ${table}.${column}`;
}

export interface ReverseOptions {
  /** Continue even if rows that were added after the migration are destroyed. */
  acceptLoss: boolean;
  /** Folder to save these rows to first, one JSON document per line. @default not saved */
  save?: string;
}

/** Path of a migration's reverse. */
export function reversePath({ path }: Migration): string {
  return join(dirname(path), "reverse", basename(path));
}

/**
 * Rehearses reverses in a transaction that is rolled back, to see what they would destroy.
 *
 * @param back newest first
 * @returns what each would destroy, without those that destroy nothing
 */
export async function rehearseAll(sql: Sql, back: Migration[]): Promise<Map<Migration, Loss[]>> {
  const losses = new Map<Migration, Loss[]>();
  const undo = new Error("undone");
  await sql.begin(async (sql) => {
    for (const migration of back) {
      const text = await Deno.readTextFile(reversePath(migration));
      const loss = await rehearse(sql, text).catch(failing(migration));
      if (loss.length > 0) losses.set(migration, loss);
      await sql.unsafe(text).catch(failing(migration));
    }
    throw undo;
  }).catch((error) => {
    if (error !== undo) throw error;
  });
  return losses;
}

/**
 * Reverts a migration.
 *
 * @throws {CliError} refused, with what would be lost, unless that is accepted; then nothing has changed
 * @returns what was lost, and the files that contain it
 */
export async function reverse(
  sql: Sql,
  migration: Migration,
  { acceptLoss, save }: ReverseOptions,
): Promise<{ loss: Loss[]; saved: string[] }> {
  const text = await Deno.readTextFile(reversePath(migration));
  return await sql.begin(async (sql) => {
    const loss = await rehearse(sql, text).catch(failing(migration));
    if (loss.length > 0 && !acceptLoss) throw lossy(new Map([[migration, loss]]));
    const saved = save === undefined ? [] : await saveRows(sql, loss, join(save, migration.version));
    await sql.unsafe(text).catch(failing(migration));
    await sql`delete from supabase_migrations.schema_migrations where version = ${migration.version}`;
    // PostgREST keeps the schema in memory.
    await sql`notify pgrst, 'reload schema'`;
    return { loss, saved };
  }) as { loss: Loss[]; saved: string[] };
}

/** Names the migration whose reverse fails. */
function failing({ version, name }: Migration): (error: Error & { code?: string }) => never {
  return (error) => {
    throw new CliError(
      "refused",
      `The reverse of ${version}_${name} fails: ${error.message}.`,
      "Nothing was changed.",
      { cause: error },
    );
  };
}

/** The refusal to destroy rows. */
export function lossy(losses: Map<Migration, Loss[]>): CliError {
  const each = [...losses].map(([{ version, name }, loss]) =>
    `${version}_${name} (${loss.map(describeLoss).join(", ")})`
  );
  return new CliError(
    "refused",
    `Reverting this destroys data added since: ${each.join("; ")}.`,
    "--accept-loss proceeds; --save DIR saves these rows first.",
  );
}

/** The inventory: tables with the file of their rows, and columns with their defaults. */
interface Inventory {
  files: Map<string, string>;
  columns: Map<string, { table: string; column: string; fallback: string }>;
}

async function inventory(sql: TransactionSql): Promise<Inventory> {
  const columns = await sql<{ table: string; file: string; column: string; fallback: string }[]>`
    select format('%I.%I', n.nspname, c.relname) as table, c.relfilenode::text as file, quote_ident(a.attname) as column,
      coalesce(pg_get_expr(d.adbin, d.adrelid), 'null') as fallback
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where n.nspname in ('public', 'private') and c.relkind in ('r', 'p') and not c.relispartition`;
  return {
    files: new Map(columns.map(({ table, file }) => [table, file])),
    columns: new Map(
      columns.map(({ table, column, fallback }) => [`${table}.${column}`, { table, column, fallback }]),
    ),
  };
}

/**
 * Runs the reverse behind a savepoint, and counts what it destroys. The affected tables stay locked, so the
 * count is exact.
 */
async function rehearse(sql: TransactionSql, text: string): Promise<Loss[]> {
  const before = await inventory(sql);
  const deletedBefore = await deletions(sql);
  await sql`savepoint rehearsal`;
  await sql.unsafe(text);
  const after = await inventory(sql);
  const gone = [...before.files.keys()].filter((table) => !after.files.has(table));
  const columns = [...before.columns].filter(([name, { table }]) =>
    after.files.has(table) && !after.columns.has(name)
  ).map(([, column]) => column);
  // A truncate, or a change that writes the table anew.
  const left = new Map<string, number>();
  for (const [table, file] of after.files) {
    if (before.files.has(table) && before.files.get(table) !== file) left.set(table, await rows(sql, table));
  }
  const deleted = [...await deletions(sql)]
    .map(([table, rows]) => ({ table, rows: rows - (deletedBefore.get(table) ?? 0) }))
    .filter(({ table, rows }) => rows > 0 && after.files.has(table) && !left.has(table));
  await sql`rollback to savepoint rehearsal`;

  const touched = [...gone, ...left.keys(), ...[...columns, ...deleted].map(({ table }) => table)];
  for (const table of new Set(touched)) await sql.unsafe(`lock table ${table} in access exclusive mode`);
  const loss: Loss[] = [];
  for (const table of gone) loss.push({ table, rows: await rows(sql, table) });
  for (const { table, column, fallback } of columns) {
    const written = `${column} is distinct from (${fallback})`;
    loss.push({ table, column, rows: await rows(sql, `${table} where ${written}`) });
  }
  for (const [table, kept] of left) loss.push({ table, rows: await rows(sql, table) - kept });
  loss.push(...deleted);
  return loss.filter(({ table, rows }) => rows > 0 && !BOOKKEEPING.has(table)).sort((a, b) =>
    a.table < b.table ? -1 : 1
  );
}

/** Tables that record applied migrations and count changes: a reverse writes to them without losing data. */
const BOOKKEEPING = new Set(["private.own_migrations", "private.config_changes", "private.config_revision"]);

/** Rows that this transaction has deleted so far, by table. */
async function deletions(sql: TransactionSql): Promise<Map<string, number>> {
  const found = await sql<{ table: string; rows: number }[]>`
    select format('%I.%I', schemaname, relname) as table, n_tup_del::int as rows from pg_stat_xact_all_tables
    where schemaname in ('public', 'private') and n_tup_del > 0`;
  return new Map(found.map(({ table, rows }) => [table, rows]));
}

async function rows(sql: TransactionSql, from: string): Promise<number> {
  const [{ n }] = await sql.unsafe(`select count(*)::int as n from ${from}`);
  return n;
}

/** Saves the rows of each table that loses data, one JSON document per line, readable only by their owner. */
async function saveRows(sql: TransactionSql, loss: Loss[], folder: string): Promise<string[]> {
  const tables = [...new Set(loss.map(({ table }) => table))];
  if (tables.length > 0) await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const saved: string[] = [];
  for (const table of tables) {
    const path = join(folder, `${table.replaceAll('"', "")}.jsonl`);
    using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
    for await (const part of sql.unsafe(`select to_jsonb(t)::text as row from ${table} t`).cursor(1000)) {
      const lines = new TextEncoder().encode(part.map(({ row }) => `${row}\n`).join(""));
      for (let at = 0; at < lines.length;) at += await file.write(lines.subarray(at));
    }
    saved.push(path);
  }
  return saved;
}
