/** The database is held to the one list of a link's fields: what is missing somewhere is named. */
import type { JSONValue, Sql } from "postgres";
import {
  type FieldName,
  FIELDS,
  type LinkField,
} from "../../supabase/functions/_shared/contract/link_fields.ts";
import { LINK_CODE } from "../../supabase/functions/_shared/contract/names.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { databaseTest } from "../support/database.ts";

/** Columns that nobody writes as a field: what the database itself keeps, and a field's value once more. */
const OWN = [
  ...[
    "code",
    "request_hash",
    "uses",
    "taken",
    "campaign",
    "state",
    "version",
    "changed_in",
    "member_versions",
  ],
  ...["created_at", "created_by", "updated_at", "updated_by"],
];
/** Columns that change with visits alone; an isolate need not read a link again for these. */
const COUNTED = ["uses", "taken"];

/** A value of a field that is not its default. */
function valueOf({ kind }: LinkField): JSONValue {
  switch (kind) {
    case "time":
      return "2026-11-21T10:00:00+00:00";
    case "integer":
      return 7;
    case "switch":
      return true;
    case "tags":
      return ["poster"];
    case "rules":
      return [{ url: "https://www.example.com/rule" }];
    case "chat":
      return { phone_number_id: "106", text: "Hi" };
    case "group":
      return { title: "one", campaign: "one" };
    default:
      return "https://www.example.com/value";
  }
}

const FULL = Object.fromEntries(FIELDS.map((field) => [field.name, valueOf(field)])) as Record<
  FieldName,
  JSONValue
>;

const make = async (sql: Sql, code: string, link: Record<string, JSONValue>) => {
  const body = sql.json([{ ...link, code, request_hash: "h" }]);
  const [{ made }] = await sql`select public.create_links(${body}, 'somebody') as made`;
  assertEquals(made, [{ status: 201, code }]);
};
const find = async (sql: Sql, code: string) =>
  (await sql`select public.find_link(${code}) as link`)[0].link as Record<string, JSONValue>;
const fieldsOf = (link: Record<string, JSONValue>) =>
  Object.fromEntries(FIELDS.flatMap(({ name }) => link[name] === undefined ? [] : [[name, link[name]]]));

databaseTest("links: each column is a field of LINK_FIELDS or one of the database's own", async (sql) => {
  const columns = await sql<{ name: string }[]>`
    select attname::text as name from pg_attribute
    where attrelid = 'public.links'::regclass and attnum > 0 and not attisdropped`;
  assertEquals(
    columns.map(({ name }) => name).filter((name) => !OWN.includes(name)).sort(),
    FIELDS.map(({ name }) => name as string).sort(),
  );
});

databaseTest(
  "links: create_links and update_link write every field, and leave none unchanged",
  async (sql) => {
    await make(sql, "full", FULL);
    assertEquals(fieldsOf(await find(sql, "full")), FULL);
    await make(sql, "plain", { default_url: "https://www.example.com/" });
    const plain = fieldsOf(await find(sql, "plain"));
    const [{ defaults }] = await sql`
    insert into public.links (code, request_hash, default_url) values ('bare', 'h', 'https://www.example.com/')
    returning private.link_view(links) as defaults`;
    assertEquals(plain, fieldsOf(defaults), "what is not given stands at the table's default");

    await sql`select public.update_link('plain', 1, ${sql.json(FULL)}, 'somebody') as link`
      .then(
        () => assert(false, "two links under one external id"),
        ({ code }) => assertEquals(code, "23505"),
      );
    const { external_id: _, ...others } = FULL;
    await sql`select public.update_link('plain', 1, ${
      sql.json({ ...others, state: "disabled" })
    }, 'somebody')`;
    assertEquals(fieldsOf(await find(sql, "plain")), others);
    await sql`select public.update_link('plain', 2, ${
      sql.json({ default_url: "https://www.example.com/" })
    }, 'x')`;
    const after = await find(sql, "plain");
    assertEquals([fieldsOf(after), after.state, after.version], [plain, "disabled", 3]);
  },
);

databaseTest(
  "links: a change of any column except those of visits makes isolates reload the link",
  async (sql) => {
    await make(sql, "full", FULL);
    const changes = await sql<{ name: string; value: string }[]>`
    select a.attname::text as name, case
      when a.attname = 'state' then '''disabled'''
      when a.attname = 'code' then '''other'''
      when a.attname = 'changed_in' then 'null'
      when a.atttypid = 'boolean'::regtype then format('not %I', a.attname)
      when a.atttypid = 'integer'::regtype then format('%I + 1', a.attname)
      when a.atttypid = 'timestamptz'::regtype then format('%I + interval ''1 day''', a.attname)
      when a.atttypid = 'text[]'::regtype then format('%I || ''{more}''::text[]', a.attname)
      when a.attname = 'targets' then '''[]'''
      when a.atttypid = 'jsonb'::regtype then format('%I || ''{"more": 1}''', a.attname)
      else format('%I || ''x''', a.attname) end as value
    from pg_attribute a
    where a.attrelid = 'public.links'::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
      and a.attname <> 'changed_in'`;
    const silent: string[] = [];
    const undone = new Error("undone");
    for (const { name, value } of changes) {
      await sql.begin(async (tx) => {
        const [{ told }] = await tx.unsafe(
          `update public.links set "${name}" = ${value} where code = 'full' returning changed_in = pg_current_xact_id() as told`,
        );
        if (!told) silent.push(name);
        throw undone;
      }).catch((error) => assertEquals(error, undone, name));
    }
    assertEquals(silent.sort(), COUNTED.toSorted());
  },
);

databaseTest("links: isolates read exactly the fields that decide where a visit goes", async (sql) => {
  await make(sql, "full", FULL);
  const [{ rows: [row] }] = await sql`select public.get_links(array['full']) as rows`;
  assertEquals(
    Object.keys(row).filter((name) => name !== "code").sort(),
    FIELDS.filter(({ visits }) => visits).map(({ name }) => name as string).sort(),
  );
});

databaseTest("links: the database accepts the codes of LINK_CODE", async (sql) => {
  const [{ definition }] = await sql`
    select pg_get_constraintdef(oid) as definition from pg_constraint where conname = 'links_code_form'`;
  assertEquals(/~ '(.+)'::text/.exec(definition)?.[1], LINK_CODE.source);
});
