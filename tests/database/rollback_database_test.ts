/** Way back 4 on real databases: what a reverse destroys is found before, and nothing is done by halves. */
import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "../support/assert.ts";
import type { Sql } from "postgres";
import { CliError } from "../../cli/core/errors.ts";
import { type DatabaseOptions, databaseWayBack } from "../../cli/commands/rollback/database.ts";
import type { Session } from "../../cli/core/session.ts";
import { take } from "../../cli/commands/rollback/steps.ts";
import { listMigrations, migrate } from "../../lib/migrate.ts";
import { join, MIGRATIONS } from "../../lib/paths.ts";
import { catalogDifferences, readCatalog } from "../support/catalog.ts";
import { FILL } from "../support/fill.ts";
import { testSession } from "../support/gatelink.ts";
import { testDatabase } from "../support/postgres.ts";

/** No stack: the database is named. */
const SESSION: Session = {
  ...testSession(),
  api: () => Promise.reject(new CliError("stack_not_found", "No stack was found.")),
};

interface Own {
  sql: Sql;
  /** Folder of the migrations; those of the repository, and those that the test adds. */
  folder: string;
  /** Adds a migration and applies it. */
  apply(version: string, forward: string, reverse?: string): Promise<void>;
  back(options: Partial<DatabaseOptions>): ReturnType<typeof databaseWayBack>;
  versions(): Promise<string[]>;
}

/** A migrated database, and a folder of migrations to add to. */
function databaseTest(name: string, test: (own: Own) => Promise<void>): void {
  Deno.test(name, async () => {
    const db = await testDatabase();
    const folder = await Deno.makeTempDir({ prefix: "gatelink-migrations-" });
    try {
      await Deno.mkdir(join(folder, "reverse"));
      for (const where of [".", "reverse"]) {
        for (const { path } of listMigrations(join(MIGRATIONS, where))) {
          await Deno.copyFile(path, join(folder, where, path.slice(path.lastIndexOf("/") + 1)));
        }
      }
      await test({
        sql: db.sql,
        folder,
        async apply(version, forward, reverse) {
          await Deno.writeTextFile(join(folder, `${version}_x.sql`), forward);
          if (reverse !== undefined) {
            await Deno.writeTextFile(join(folder, "reverse", `${version}_x.sql`), reverse);
          }
          await migrate(db.sql, folder);
        },
        back: (options) =>
          databaseWayBack(SESSION, { why: "test", dbUrl: db.url, migrations: folder, ...options }),
        versions: async () =>
          (await db.sql`select version from supabase_migrations.schema_migrations order by version`)
            .map(({ version }) => version),
      });
    } finally {
      await db.drop();
      await Deno.remove(folder, { recursive: true });
    }
  });
}

const V1 = "20990101000000", V2 = "20990102000000", V3 = "20990103000000";
const NEWEST = listMigrations().at(-1)!.version;

databaseTest(
  "rollback 4: runs reverses newest first, updates the record, checks the data, and is recorded",
  async (own) => {
    const before = await readCatalog(own.sql);
    await own.apply(
      V1,
      "create table public.a (id int); alter table public.a enable row level security;",
      "drop table public.a;",
    );
    await own.apply(V2, "create index a_idx on public.a (id);", "drop index public.a_idx;");
    const done = await take(SESSION, await own.back({ to: NEWEST }));
    // deno-lint-ignore no-explicit-any
    const event = done.document as any;
    assertEquals(done.failed, false, done.text);
    assertEquals(event.steps.map(({ what }: { what: string }) => what), [
      `reverse ${V2}_x`,
      `reverse ${V1}_x`,
      `check that ${NEWEST} is the newest on record`,
      "check the data",
    ]);
    assertEquals(catalogDifferences(before, await readCatalog(own.sql)), []);
    assertEquals((await own.versions()).at(-1), NEWEST);
    const [written] = await own
      .sql`select level, target, ok from public.rollback_events where id = ${event.id}`;
    assertEquals({ ...written }, { level: 4, target: NEWEST, ok: true });
    assertEquals(
      (await migrate(own.sql, own.folder)).map(({ version }) => version),
      [V1, V2],
      "and forward again",
    );
  },
);

const LOSSES: [name: string, setUp: string, forward: string, reverse: string, told: RegExp | undefined][] = [
  [
    "a table with rows",
    "",
    "create table public.a (id int); alter table public.a enable row level security; insert into public.a values (1), (2);",
    "drop table public.a;",
    /2 rows of public\.a/,
  ],
  [
    "a column that somebody wrote",
    "",
    "alter table public.settings add column note text, add column kind text not null default 'x'; update public.settings set note = 'n' where key = 'one';",
    "alter table public.settings drop column note, drop column kind;",
    /1 value of public\.settings\.note/,
  ],
  [
    "a column that nobody wrote",
    "",
    "alter table public.settings add column kind text not null default 'x';",
    "alter table public.settings drop column kind;",
    undefined,
  ],
  [
    "rows of a table that stays",
    "",
    "select 1;",
    "delete from public.settings where key = 'two';",
    /1 row of public\.settings/,
  ],
  [
    "rows of a table that is emptied",
    "create table public.a (id int); alter table public.a enable row level security; insert into public.a values (1);",
    "select 1;",
    "truncate public.a;",
    /1 row of public\.a/,
  ],
  [
    "a table that is written anew, with all of its rows",
    "create table public.a (id int); alter table public.a enable row level security; insert into public.a values (1);",
    "alter table public.a alter column id type bigint;",
    "alter table public.a alter column id type integer;",
    undefined,
  ],
  [
    "functions alone",
    "",
    "create function public.f() returns int language sql as 'select 1';",
    "drop function public.f();",
    undefined,
  ],
  [
    "a table that another one hangs on",
    "create table public.a (id int primary key); create table public.b (a int references public.a on delete cascade); insert into public.a values (1); insert into public.b values (1), (1); alter table public.a enable row level security; alter table public.b enable row level security;",
    "select 1;",
    "delete from public.a;",
    /1 row of public\.a, 2 rows of public\.b/,
  ],
];

for (const [name, setUp, forward, reverse, told] of LOSSES) {
  databaseTest(
    `rollback 4: ${told ? "refuses without --accept-loss to destroy" : "does not count as a loss"} ${name}`,
    async (own) => {
      await own.sql`insert into public.settings (key, value) values ('one', '1'), ('two', '2')`;
      await own.sql.unsafe(setUp);
      await own.apply(V1, forward, reverse);
      const versions = await own.versions(), catalog = await readCatalog(own.sql);
      if (told === undefined) {
        assertEquals((await take(SESSION, await own.back({ steps: 1 }))).failed, false);
        assertEquals(await own.versions(), versions.slice(0, -1));
        return;
      }
      const error = await assertRejects(() => own.back({ steps: 1 }), CliError);
      assertEquals(error.code, "refused");
      assertMatch(error.message, told);
      assertStringIncludes(error.hint!, "--accept-loss");
      assertEquals(await own.versions(), versions);
      assertEquals(catalogDifferences(catalog, await readCatalog(own.sql)), []);
      assertEquals((await own.sql`select from public.settings where key in ('one', 'two')`).length, 2);

      const plan = await own.back({ steps: 1, acceptLoss: true });
      assertMatch(plan.notes!.join("\n"), told);
      const done = await take(SESSION, plan);
      assertEquals(done.failed, false, done.text);
      assertEquals(await own.versions(), versions.slice(0, -1));
    },
  );
}

databaseTest("rollback 4: saves lost rows first, complete, readable by their owner only", async (own) => {
  await own.apply(
    V1,
    `create table public."A b" (id int, at timestamptz); alter table public."A b" enable row level security;
    insert into public."A b" select n, now() from generate_series(1, 2500) n;`,
    `drop table public."A b";`,
  );
  const rows = (await own.sql`select to_jsonb(t) as row from public."A b" t order by id`).map(({ row }) =>
    row
  );
  const save = join(own.folder, "lost");
  const done = await take(SESSION, await own.back({ steps: 1, acceptLoss: true, save }));
  assertEquals(done.failed, false, done.text);
  const path = join(save, V1, "public.A b.jsonl");
  const saved = (await Deno.readTextFile(path)).trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(saved.sort((a, b) => a.id - b.id), rows);
  assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
});

databaseTest(
  "rollback 4: rows that arrive between plan and execution are not destroyed unseen",
  async (own) => {
    await own.apply(
      V1,
      "create table public.a (id int); alter table public.a enable row level security;",
      "drop table public.a;",
    );
    const plan = await own.back({ steps: 1 });
    await own.sql`insert into public.a values (1)`;
    const done = await take(SESSION, plan);
    assertEquals(done.failed, true);
    assertMatch(JSON.stringify(done.document), /1 row of public\.a/);
    assertEquals((await own.versions()).at(-1), V1);
    assertEquals((await own.sql`select from public.a`).length, 1);
  },
);

databaseTest("rollback 4: detects a failing reverse before it does anything", async (own) => {
  await own.apply(
    V1,
    "create table public.a (id int); alter table public.a enable row level security;",
    "drop table public.b;",
  );
  await own.apply(
    V2,
    "create table public.c (id int); alter table public.c enable row level security;",
    "drop table public.c;",
  );
  const catalog = await readCatalog(own.sql);
  const error = await assertRejects(() => own.back({ steps: 2 }), CliError, `The reverse of ${V1}_x fails`);
  assertMatch(error.message, /"b" does not exist/);
  assertEquals(catalogDifferences(catalog, await readCatalog(own.sql)), []);
  assertEquals((await own.versions()).at(-1), V2);
});

databaseTest("rollback 4: does not queue behind somebody's lock", async (own) => {
  await own.apply(
    V1,
    "create table public.a (id int); alter table public.a enable row level security;",
    "set local lock_timeout = '200ms'; drop table public.a;",
  );
  const error = await own.sql.begin(async (sql) => {
    await sql`lock table public.a in access share mode`;
    return await assertRejects(() => own.back({ steps: 1 }), CliError, "locked by another transaction");
  });
  assertMatch(error.hint!, /^Nothing was changed\. Try again when it has ended/);
});

databaseTest("rollback 4: refuses irreversible and unknown migrations", async (own) => {
  const refusal = async (options: Partial<DatabaseOptions>) => {
    const { code, message, hint } = await assertRejects(() => own.back(options), CliError);
    return `${code} ${message} ${hint}`;
  };
  assertMatch(await refusal({ to: "20000101000000" }), /^not_found 20000101000000 is not applied here/);
  assertMatch(await refusal({ to: NEWEST }), /^conflict .* is already the newest/);
  await own.apply(V1, "-- irreversible: all: none: the codes are hashed\nselect 1;", "select 1;");
  assertMatch(
    await refusal({ steps: 1 }),
    new RegExp(`^refused Level 4 .*${V1}_x.*the codes are hashed.*restore a backup`),
  );
  await (await own.back({ steps: 1, anyway: true })).cleanUp!();
  await own.apply(V2, "select 1;");
  assertMatch(await refusal({ steps: 1 }), new RegExp(`^refused ${V2}_x has no reverse`));
  // Somebody else's, and newer than all of ours: it is neither taken back nor in the way.
  await own.sql`insert into supabase_migrations.schema_migrations (version, name) values (${V3}, 'y')`;
  assertMatch(await refusal({ steps: 1 }), new RegExp(`^refused ${V2}_x has no reverse`));
  assertMatch(await refusal({ to: V3 }), new RegExp(`^not_found ${V3} is not applied here`));
  await own.sql`insert into private.own_migrations (version) values (${V3})`;
  assertMatch(
    await refusal({ steps: 1 }),
    new RegExp(`^refused ${V3} is applied, but missing in this checkout`),
  );
});

databaseTest("rollback 4: reports data that has become inconsistent", async (own) => {
  await own.apply(
    V1,
    "select 1;",
    "insert into public.counters (name, label, slot, value) values ('webhook_updates', 'received', 0, 1);",
  );
  const [{ found }] = await own.sql`select public.reconcile() as found`;
  assertEquals(found.ok, true, JSON.stringify(found.checks));
  const done = await take(SESSION, await own.back({ steps: 1 }));
  assertEquals(done.failed, true);
  assertMatch(JSON.stringify(done.document), /Failed checks: received = stored \+ duplicates/);
});

Deno.test("rollback 4: reports invalid addresses and unreachable databases without the password", async () => {
  const plan = (dbUrl: string) => databaseWayBack(SESSION, { why: "x", steps: 1, dbUrl });
  const cases: [string, string][] = [
    ["https://db.example.com", "usage"],
    ["postgresql://postgres:hidden@127.0.0.1:1/postgres", "stack_unreachable"],
  ];
  for (const [url, code] of cases) {
    const error = await assertRejects(() => plan(url), CliError);
    assertEquals(error.code, code);
    assert(!`${error.message}${error.hint}`.includes("hidden"));
  }
  const empty = await testDatabase({ empty: true });
  try {
    assertEquals((await assertRejects(() => plan(empty.url), CliError)).code, "invalid");
  } finally {
    await empty.drop();
  }
});

databaseTest("rollback 4: all the way back with rows in each table, and forward again", async (own) => {
  for (const statements of Object.values(FILL)) if (statements) await own.sql.unsafe(statements);
  const catalog = await readCatalog(own.sql);
  const done = await take(SESSION, await own.back({ to: "0", acceptLoss: true }));
  assertEquals(done.failed, false, done.text);
  assertMatch(done.text, /could not be recorded: the table of these events was reverted too/);
  assertEquals(await own.versions(), []);
  await migrate(own.sql, own.folder);
  assertEquals(catalogDifferences(catalog, await readCatalog(own.sql)), []);
});
