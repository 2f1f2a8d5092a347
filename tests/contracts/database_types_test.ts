/** _shared/contract/database.ts is what the catalog says, and says each function and table of the Data API. */
import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import { TYPES_FILE, typesText } from "../../tools/docs/database_types.ts";
import { databaseTest } from "../support/database.ts";

databaseTest("contract/database.ts is what `deno task contract` writes", async (sql) => {
  const [made, kept] = [await typesText(sql), await Deno.readTextFile(TYPES_FILE)].map((text) =>
    text.split("\n")
  );
  const line = made.findIndex((part, i) => part !== kept[i]);
  assertEquals(
    line === -1 ? [] : [kept[line], made[line]],
    [],
    `line ${line + 1}: run \`deno task contract\``,
  );
  assertEquals(kept.length, made.length, "run `deno task contract`");
});

databaseTest(
  "typesText(): contains everything that can be read and called, and changes with it",
  async (sql) => {
    const before = await typesText(sql);
    const functions = await sql<{ name: string }[]>`
    select p.proname as name from pg_proc p
    where p.pronamespace = 'public'::regnamespace and has_function_privilege('service_role', p.oid, 'execute')`;
    assert(functions.length > 100);
    for (const { name } of functions) assert(before.includes(`\n${name}: { Args: `), name);
    assertEquals(/trigger/.test(before), false);

    const changes: [string, string, string][] = [
      ["create table public.x (a int)", "drop table public.x", ""],
      [
        "create table public.x (a int); grant select on public.x to authenticated",
        "drop table public.x",
        "a: number | null;",
      ],
      [
        "create table public.x (a text[] not null check (true)); grant select on public.x to service_role",
        "drop table public.x",
        "a: string[];",
      ],
      [
        "create table public.x (a text not null check (a in ('b', 'c'))); grant select on public.x to service_role",
        "drop table public.x",
        'a: "b" | "c";',
      ],
      [
        "create function public.x(p_a int, p_b text default null) returns jsonb language sql as 'select null::jsonb'; grant execute on function public.x to service_role",
        "drop function public.x",
        "p_b?: string | null;",
      ],
      [
        "create function public.x() returns setof public.links language sql as 'select * from public.links'; grant execute on function public.x to service_role",
        "drop function public.x",
        'Returns: Database["public"]["Tables"]["links"]["Row"][]',
      ],
      ["revoke execute on function public.status() from service_role, authenticated", "", ""],
    ];
    for (const [change, back, said] of changes) {
      await sql.unsafe(change);
      const after = await typesText(sql);
      assertEquals(after === before, said === "" && back !== "", change);
      assert(after.includes(said), said);
      if (back === "") continue;
      await sql.unsafe(back);
      assert(await typesText(sql) === before, back);
    }
  },
);

databaseTest(
  "typesText(): refuses an unknown type and a duplicate name",
  async (sql) => {
    const refused = async (change: string, back: string) => {
      await sql.unsafe(change);
      const said = await typesText(sql).then(() => "", (error) => String(error));
      await sql.unsafe(back);
      return said;
    };
    assertStringIncludes(
      await refused(
        "create table public.x (a point); grant select on public.x to anon",
        "drop table public.x",
      ),
      "no type is known for point",
    );
    assertStringIncludes(
      await refused(
        "create function public.status(p_a int) returns int language sql as 'select 1'; grant execute on function public.status(int) to anon",
        "drop function public.status(int)",
      ),
      "public.status is there twice",
    );
  },
);
