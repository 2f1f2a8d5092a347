/** supabase/schema.sql is what the migrations make, and says of each object what the catalog does. */
import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "../support/assert.ts";
import { SCHEMA_FILE, schemaText } from "../../tools/docs/schema_sql.ts";
import { databaseTest } from "../support/database.ts";

databaseTest("supabase/schema.sql is what `deno task schema` writes", async (sql) => {
  const [text, found] = [await schemaText(sql), await Deno.readTextFile(SCHEMA_FILE)];
  // The first line that differs says more than six thousand that do not.
  const [made, kept] = [text.split("\n"), found.split("\n")];
  const line = made.findIndex((part, i) => part !== kept[i]);
  assertEquals(
    line === -1 ? [] : [kept[line], made[line]],
    [],
    `line ${line + 1}: run \`deno task schema\``,
  );
  assertEquals(found, text);
});

databaseTest("schemaText(): contains each table and function, and changes with each of them", async (sql) => {
  const before = await schemaText(sql);
  const rows = await sql`
    select format('create table %I.%I (', n.nspname, c.relname) as said from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
      where n.nspname in ('public', 'private') and c.relkind = 'r' and c.relpersistence = 'p'
    union all
    select format('%s %I.%I(', case p.prokind when 'p' then 'PROCEDURE' else 'FUNCTION' end, n.nspname, p.proname) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
      where n.nspname in ('public', 'private')`;
  assert(rows.length > 200);
  for (const { said } of rows) assertStringIncludes(before, said);

  const changes: [string, string][] = [
    [
      "alter table public.links alter tags drop default",
      "alter table public.links alter tags set default '{}'",
    ],
    ["alter table public.links alter tags drop not null", "alter table public.links alter tags set not null"],
    [
      "alter table public.links disable row level security",
      "alter table public.links enable row level security",
    ],
    ["grant insert on public.links to authenticated", "revoke insert on public.links from authenticated"],
    [
      "grant execute on function private.caller() to anon",
      "revoke execute on function private.caller() from anon",
    ],
    [
      "alter table public.links add constraint x check (true)",
      "alter table public.links drop constraint x",
    ],
    ["create index x on public.links (created_at)", "drop index public.x"],
    ["create policy x on public.links for all to public using (true)", "drop policy x on public.links"],
    ["alter function private.caller() immutable", "alter function private.caller() stable"],
    ["comment on function private.caller() is 'x'", ""],
  ];
  for (const [change, back] of changes) {
    await sql.unsafe(change);
    assertNotEquals(await schemaText(sql), before, change);
    if (back === "") continue;
    await sql.unsafe(back);
    assertEquals(await schemaText(sql), before, back);
  }
});
