/** The linters of `deno task lint:sql` find what they are there for. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { join } from "node:path";
import { advisors, EXCEPTIONS, squawk } from "../../tools/lint_sql.ts";
import { testDatabase } from "../support/postgres.ts";

async function migrationFolder(sql: string, use: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir({ prefix: "gatelink-migrations-" });
  try {
    await Deno.writeTextFile(join(folder, "20260101000000_test.sql"), sql);
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const TIMEOUTS = "set local lock_timeout = '5s';\nset local statement_timeout = '60s';\n";

Deno.test("squawk(): finds blocking and breaking statements, with their lines", async () => {
  const cases: [sql: string, found: RegExp | undefined][] = [
    [`${TIMEOUTS}create table a (id uuid primary key, n int);\n`, undefined],
    [`create table a (id uuid primary key references b (id));\n`, /:1:1: warning: require-lock-timeout/],
    [`${TIMEOUTS}alter table a add column n int not null;\n`, /:3:.* adding-required-field/],
    [`${TIMEOUTS}drop table a;\n`, /:3:1: warning: ban-drop-table/],
    [`${TIMEOUTS}create index i on a (n);\n`, /:3:1: warning: require-concurrent-index-creation/],
  ];
  for (const [sql, found] of cases) {
    await migrationFolder(sql, async (folder) => {
      const { ok, detail = "" } = await squawk("forward", folder);
      assertEquals(ok, found === undefined, `${sql}\n${detail}`);
      if (found) assertMatch(detail, found);
    });
  }
});

Deno.test("squawk(): a reverse migration may drop what its migration created", async () => {
  await migrationFolder(`${TIMEOUTS}drop table a;\n`, async (folder) => {
    assert((await squawk("reverse", folder)).ok);
  });
});

Deno.test("EXCEPTIONS: each has a reason, and none is listed twice", () => {
  for (const { rule, why } of EXCEPTIONS) assert(why.length > 10, rule);
  const names = EXCEPTIONS.map(({ rule, where }) => `${where} ${rule}`);
  assertEquals(new Set(names).size, names.length);
});

Deno.test("advisors(): find a table that is open to all, and nothing in the migrations", async () => {
  const db = await testDatabase();
  try {
    assertEquals(await advisors(db.url), { ok: true, what: "supabase db advisors", detail: "" });
    await db.sql`create table public.open_to_all (id bigint primary key)`;
    await db.sql`grant select on public.open_to_all to anon`;
    const { ok, detail = "" } = await advisors(db.url);
    assert(!ok);
    assertMatch(detail, /open_to_all/);
    assertMatch(detail, /rls_disabled_in_public/);
  } finally {
    await db.drop();
  }
});
