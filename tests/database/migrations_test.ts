/** Each migration and its way back, on tables with rows; and what every object has to have. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { bootstrap } from "../../local/database/bootstrap.ts";
import { listMigrations, type Migration } from "../../lib/migrate.ts";
import { dirname, join, MIGRATIONS } from "../../lib/paths.ts";
import { type Catalog, catalogDifferences, readCatalog } from "../support/catalog.ts";
import { MIGRATIONS as NEEDED } from "../../supabase/functions/_shared/db/schema.ts";
import { FILL } from "../support/fill.ts";
import { databaseTest } from "../support/database.ts";
import { testDatabase } from "../support/postgres.ts";

const migrations = listMigrations();
const reverse = ({ path }: Migration) => join(dirname(path), "reverse", path.slice(dirname(path).length + 1));

/** As `psql -1` and `supabase db push` run a file: in one transaction. */
const run = async (sql: Sql, path: string) => {
  const text = await Deno.readTextFile(path);
  await sql.begin((sql) => sql.unsafe(text));
};

/** Tables of ours without partitions, which their parents speak for. */
async function tables(sql: Sql): Promise<string[]> {
  const rows = await sql`
    select format('%I.%I', n.nspname, c.relname) as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'private') and c.relkind in ('r', 'p') and not c.relispartition order by 1`;
  return rows.map((row) => row.name);
}

/** Fills the empty ones of these tables, and makes sure that none stays empty. */
async function fill(sql: Sql, names: readonly string[]): Promise<void> {
  for (const name of names) assert(name in FILL, `tests/support/fill.ts has no row for ${name}`);
  for (const [name, statements] of Object.entries(FILL)) {
    if (names.includes(name) && statements) await sql.unsafe(statements);
  }
  for (const name of names) {
    const [{ any }] = await sql.unsafe(`select exists (select from ${name}) as any`);
    assert(any, `${name} is empty`);
  }
}

/** The rows of a table, in a fixed order. */
type Rows = Map<string, Record<string, unknown>[]>;

async function readRows(sql: Sql, names: readonly string[]): Promise<Rows> {
  const rows: Rows = new Map();
  for (const name of names) {
    const found = await sql.unsafe(`select to_jsonb(t) as row from ${name} t order by to_jsonb(t)::text`);
    rows.set(name, found.map(({ row }) => row));
  }
  return rows;
}

/** They count changes and migrations, so they change when a migration or a reverse writes settings, or comes and goes. */
const COUNTS = ["private.config_revision", "private.config_changes", "private.own_migrations"];

/** The rows of `before` that are not among those of `after`, compared in the columns that both have. */
function lost(before: Rows, after: Rows): string[] {
  return [...before].filter(([name]) => !COUNTS.includes(name)).flatMap(([name, rows]) => {
    const left = after.get(name) ?? [];
    const columns = Object.keys(rows[0] ?? {}).filter((column) => column in (left[0] ?? rows[0]));
    const text = (row: Record<string, unknown>) => JSON.stringify(columns.map((column) => row[column]));
    const kept = new Set(left.map(text));
    return rows.map(text).filter((row) => !kept.has(row)).map((row) => `${name}: ${row}`);
  });
}

Deno.test("each migration has a reverse, and each reverse a migration", async () => {
  const reverses = (await Array.fromAsync(Deno.readDir(join(MIGRATIONS, "reverse")))).map((file) =>
    file.name
  );
  assertEquals(reverses.sort(), migrations.map(({ path }) => path.slice(dirname(path).length + 1)));
});

Deno.test("migrations run forward, back and forward again, one at a time, with rows in the tables", async () => {
  const db = await testDatabase({ empty: true });
  const { sql } = db;
  try {
    await bootstrap(sql);
    /** Before each migration, and after the last. */
    const catalogs: Catalog[] = [await readCatalog(sql)];
    const made: string[][] = [];
    /** The rows right before each migration: what its reverse must give back. */
    const before: Rows[] = [];
    for (const migration of migrations) {
      const known = await tables(sql);
      before.push(await readRows(sql, known));
      await run(sql, migration.path);
      assertEquals(lost(before.at(-1)!, await readRows(sql, known)), [], `rows lost by ${migration.name}`);
      catalogs.push(await readCatalog(sql));
      made.push((await tables(sql)).filter((name) => !known.includes(name)));
      await fill(sql, made.at(-1)!);
    }

    for (const [i, migration] of [...migrations.entries()].reverse()) {
      const step = `${migration.version}_${migration.name}`;
      const older = (await tables(sql)).filter((name) => !made[i].includes(name));
      for (const pass of ["the first time", "the second time"]) {
        await run(sql, reverse(migration));
        assertEquals(await tables(sql), older, `tables after the reverse of ${step} ${pass}`);
        assertEquals(
          catalogDifferences(catalogs[i], await readCatalog(sql)),
          [],
          `reverse of ${step} ${pass}`,
        );
        assertEquals(
          lost(before[i], await readRows(sql, older)),
          [],
          `rows after the reverse of ${step} ${pass}`,
        );
        if (pass === "the second time") break;
        await run(sql, migration.path);
        assertEquals(catalogDifferences(catalogs[i + 1], await readCatalog(sql)), [], `${step} again`);
        await fill(sql, made[i]);
      }
    }

    for (const migration of migrations) await run(sql, migration.path);
    assertEquals(catalogDifferences(catalogs.at(-1)!, await readCatalog(sql)), [], "all of it again");
  } finally {
    await db.drop();
  }
});

databaseTest("each migration records itself as ours and is in the list that health checks", async (sql) => {
  const rows = await sql`select version from private.own_migrations order by version`;
  const files = migrations.map(({ version }) => version);
  assertEquals(rows.map(({ version }) => version), files);
  assertEquals([...NEEDED], files);
});

databaseTest("tests/support/fill.ts names existing tables only", async (sql) => {
  const known = await tables(sql);
  assertEquals(Object.keys(FILL).filter((name) => !known.includes(name)), []);
});

/** The names that a query answers. */
const names = async (sql: Sql, query: string) => (await sql.unsafe(query)).map((row) => row.name);
const OURS = "n.nspname in ('public', 'private')";

databaseTest("every table has row level security, including partitions", async (sql) => {
  const bare =
    `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where ${OURS} and c.relkind in ('r', 'p') and not c.relrowsecurity`;
  assertEquals(await names(sql, bare), []);
});

databaseTest("every table and function grants its rights explicitly", async (sql) => {
  const silent = `
    select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where ${OURS} and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and c.relacl is null
      and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'i') -- identity columns
    union all
    select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where ${OURS} and p.proacl is null`;
  assertEquals(await names(sql, silent), []);
});

databaseTest("every object has a comment", async (sql) => {
  const uncommented = `
    select 'relation ' || c.oid::regclass as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where ${OURS} and c.relkind in ('r', 'p', 'v', 'm', 'f', 'c') and not c.relispartition
      and coalesce(obj_description(c.oid, 'pg_class'), obj_description(c.reltype, 'pg_type')) is null
    union all
    select format('column %s.%I', c.oid::regclass, a.attname)
      from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
      where ${OURS} and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition and a.attnum > 0
      and not a.attisdropped and col_description(c.oid, a.attnum) is null
    union all
    select 'index ' || i.indexrelid::regclass
      from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
      where ${OURS} and not c.relispartition and not exists (select from pg_constraint k where k.conindid = c.oid)
      and obj_description(c.oid, 'pg_class') is null
    union all
    select 'function ' || p.oid::regprocedure from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where ${OURS} and obj_description(p.oid, 'pg_proc') is null
    union all
    select format('policy %I of %s', p.polname, p.polrelid::regclass) from pg_policy p
      where obj_description(p.oid, 'pg_policy') is null
    union all
    select format('trigger %I of %s', t.tgname, c.oid::regclass)
      from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
      where ${OURS} and not t.tgisinternal and t.tgparentid = 0 and obj_description(t.oid, 'pg_trigger') is null`;
  assertEquals(await names(sql, uncommented), []);
});

databaseTest("every function sets an empty search_path", async (sql) => {
  const open =
    `select p.oid::regprocedure::text as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where ${OURS} and p.prokind in ('f', 'p') and not coalesce('search_path=""' = any (p.proconfig), false)`;
  assertEquals(await names(sql, open), []);
});

databaseTest(
  "every function that disables plan types runs without JIT, which their cost estimates would trigger",
  async (sql) => {
    const compiled =
      `select p.oid::regprocedure::text as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where ${OURS} and not 'jit=off' = any (p.proconfig)
      and exists (select from unnest(p.proconfig) as c (setting) where c.setting ~ '^enable_\\w+=off$')`;
    assertEquals(await names(sql, compiled), []);
  },
);

databaseTest("every foreign key has an index that starts with its columns", async (sql) => {
  // A partial index serves when it leaves out nothing but nulls.
  const unindexed = `
    select format('%s of %s', k.conname, k.conrelid::regclass) as name
    from pg_constraint k join pg_namespace n on n.oid = k.connamespace
    where ${OURS} and k.contype = 'f' and k.conparentid = 0 and not exists (
      select from pg_index i
      where i.indrelid = k.conrelid and i.indisvalid
        and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] operator(pg_catalog.@>) k.conkey
        and (i.indpred is null or pg_get_expr(i.indpred, i.indrelid) = format('(%I IS NOT NULL)', (
          select a.attname from pg_attribute a where a.attrelid = k.conrelid and a.attnum = k.conkey[1]))))`;
  assertEquals(await names(sql, unindexed), []);
});

Deno.test("what the functions of texts and masked messaging ask still answers once later migrations are taken back", async () => {
  const db = await testDatabase();
  const { sql } = db;
  try {
    const file = { url: "https://api.twilio.example/1", type: "image/png", size: null };
    await sql`select public.ingest_updates(${
      sql.json([{
        key: "m:MM1",
        channel: "sms",
        provider: "twilio",
        field: "message",
        kind: "message",
        sender_id: "12025550100",
        identities: [{ kind: "phone", value: "12025550143" }],
        provider_id: "MM1",
        type: "mms",
        raw: { provider: "twilio", media: [file] },
      }])
    })`;
    const [{ id }] = await sql`select id from public.messages`;
    const [{ org }] = await sql`select public.set_org(null, '{"name": "Moss"}') ->> 'id' as org`;
    const pool = async () =>
      (await sql`select public.messages_diagnostics(${org}) -> 'pool' as pool`)[0].pool;
    const media = async () => (await sql`select public.find_text_media(${id}) as found`)[0].found;
    assertEquals([(await pool()).numbers, (await media()).media], [0, [{ ...file, stored: null }]]);
    for (const migration of migrations.filter(({ version }) => version >= "20261129002726").reverse()) {
      await run(sql, reverse(migration));
    }
    assertEquals(await pool(), null);
    assertEquals(await media(), { provider: "twilio", media: [{ ...file, stored: null }] });
  } finally {
    await db.drop();
  }
});
