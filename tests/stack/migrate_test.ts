import { assertEquals, assertRejects, assertStringIncludes } from "../support/assert.ts";
import { testDatabase } from "../support/postgres.ts";
import { bootstrap } from "../../local/database/bootstrap.ts";
import { ForeignDatabase, listMigrations, migrate, type Migration, standing } from "../../lib/migrate.ts";
import { join } from "../../lib/paths.ts";

async function folderWith(files: Record<string, string>): Promise<string> {
  const folder = await Deno.makeTempDir();
  for (const [name, text] of Object.entries(files)) await Deno.writeTextFile(join(folder, name), text);
  return folder;
}

Deno.test("listMigrations() returns versioned .sql files in order, and no folders", async () => {
  const folder = await folderWith({
    "2_b.sql": "",
    "10_c.sql": "",
    "1_a.sql": "",
    "notes.md": "",
    "x_d.sql": "",
  });
  await Deno.mkdir(join(folder, "reverse"));
  assertEquals(listMigrations(folder).map((m) => `${m.version} ${m.name}`), ["1 a", "10 c", "2 b"]);
});

Deno.test("migrate() applies each file once and records it as the supabase CLI does", async () => {
  const db = await testDatabase({ empty: true });
  try {
    const folder = await folderWith({
      "1_a.sql": "create table a (n int);\n-- why\ninsert into a values (1);\n",
    });
    assertEquals((await migrate(db.sql, folder)).map((m) => m.version), ["1"]);
    await Deno.writeTextFile(join(folder, "2_b.sql"), "insert into a values (2)");
    assertEquals((await migrate(db.sql, folder)).map((m) => m.version), ["2"]);
    assertEquals(await migrate(db.sql, folder), []);
    const rows = await db.sql`select * from supabase_migrations.schema_migrations order by version`;
    assertEquals(rows.map((row) => ({ ...row })), [
      { version: "1", statements: ["create table a (n int)", "-- why\ninsert into a values (1)"], name: "a" },
      { version: "2", statements: ["insert into a values (2)"], name: "b" },
    ]);
    const [{ sum }] = await db.sql`select sum(n)::int from a`;
    assertEquals(sum, 3);
  } finally {
    await db.drop();
  }
});

Deno.test("migrate() rolls a failing file back completely, and names file and line", async () => {
  const db = await testDatabase({ empty: true });
  try {
    const folder = await folderWith({
      "1_a.sql": "create table a ();",
      "2_b.sql": "create table b ();\n\nselect nonsense;",
    });
    const error = await assertRejects(() => migrate(db.sql, folder), Error);
    assertStringIncludes(error.message, "2_b.sql failed at line 3");
    const [{ a, b }] = await db.sql`select to_regclass('a') is not null a, to_regclass('b') is not null b`;
    assertEquals([a, b], [true, false]);
  } finally {
    await db.drop();
  }
});

Deno.test("migrate() started twice at once applies each file once", async () => {
  const db = await testDatabase({ empty: true });
  try {
    const folder = await folderWith({ "1_a.sql": "create table a (); select pg_sleep(0.1);" });
    const applied = await Promise.all([migrate(db.sql, folder), migrate(db.sql, folder)]);
    assertEquals(applied.map((list) => list.length).sort(), [0, 1]);
  } finally {
    await db.drop();
  }
});

const file = (version: string): Migration => ({ version, name: "x", path: `${version}_x.sql` });
const FILES = ["2", "3"].map(file);
/** What a database has on record, and how it stands to the files 2 and 3. */
const STANDINGS: [string, string[], { pending: string[]; unknown: string[]; newer: boolean }][] = [
  ["an empty one", [], { pending: ["2", "3"], unknown: [], newer: false }],
  ["one that is behind", ["2"], { pending: ["3"], unknown: [], newer: false }],
  ["one that is up to date", ["2", "3"], { pending: [], unknown: [], newer: false }],
  ["a newer one", ["5", "3", "4", "2"], { pending: [], unknown: ["4", "5"], newer: true }],
  ["one by other files", ["1"], { pending: ["2", "3"], unknown: ["1"], newer: false }],
  ["one with a file of another branch between ours", ["2", "25", "3"], {
    pending: [],
    unknown: ["25"],
    newer: false,
  }],
  ["a newer one without one of ours", ["3", "4"], { pending: ["2"], unknown: ["4"], newer: false }],
];
for (const [what, recorded, expected] of STANDINGS) {
  Deno.test(`standing() of ${what}`, () => {
    const found = standing(FILES, recorded.map((version) => ({ version, name: null })));
    const versions = (list: { version: string }[]) => list.map(({ version }) => version);
    assertEquals(
      { pending: versions(found.pending), unknown: versions(found.unknown), newer: found.newer },
      expected,
    );
  });
}

Deno.test("migrate() refuses a database with foreign migrations before it changes anything, and accepts a newer one", async () => {
  const db = await testDatabase({ empty: true });
  try {
    const older = await folderWith({ "1_a.sql": "create table a ()", "2_b.sql": "select 1", "3_c.sql": "" });
    await migrate(db.sql, older);
    const folded = await folderWith({ "4_all.sql": "create table b ()" });
    const error = await assertRejects(
      () => migrate(db.sql, folded, { place: "The database in /x", remedy: "Start with --fresh." }),
      ForeignDatabase,
    );
    assertEquals(
      error.message,
      "The database in /x was created by different migrations: it has 1_a, 2_b and 1 more, " +
        "which supabase/migrations does not have. Start with --fresh.",
    );
    const [{ made }] = await db.sql`select to_regclass('b') is not null as made`;
    assertEquals(made, false);

    const behind = await folderWith({ "1_a.sql": "", "2_b.sql": "" });
    const told: string[] = [];
    assertEquals(await migrate(db.sql, behind, { onNewer: ({ version }) => told.push(version) }), []);
    assertEquals(told, ["3"]);
  } finally {
    await db.drop();
  }
});

Deno.test("bootstrap() creates the roles and the auth schema that policies need, and may be repeated", async () => {
  const db = await testDatabase({ empty: true });
  try {
    await bootstrap(db.sql);
    await bootstrap(db.sql);
    const id = crypto.randomUUID();
    const [row] = await db.sql.begin(async (sql) => {
      await sql`select set_config('request.jwt.claims', ${
        JSON.stringify({ sub: id, role: "authenticated" })
      }, true)`;
      await sql`set local role authenticated`;
      return await sql`select auth.uid() as uid, auth.role() as role, auth.jwt() ->> 'sub' as sub`;
    });
    assertEquals({ ...row }, { uid: id, role: "authenticated", sub: id });
    const roles = await db.sql`select rolname, rolbypassrls from pg_roles where rolname in
      ('anon', 'authenticated', 'service_role') order by 1`;
    assertEquals(roles.map((r) => [r.rolname, r.rolbypassrls]), [
      ["anon", false],
      ["authenticated", false],
      ["service_role", true],
    ]);
  } finally {
    await db.drop();
  }
});
