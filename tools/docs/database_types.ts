/**
 * `deno task contract` writes supabase/functions/_shared/contract/database.ts: the types of the Data API,
 * read from the catalog of a migrated database. With `--check` it changes nothing and exits with 1 if the
 * file is outdated.
 */
import type { Sql } from "postgres";
import { FUNCTIONS, join } from "../../lib/paths.ts";
import { task } from "../../lib/task.ts";

/** Path of the types. */
export const TYPES_FILE: string = join(FUNCTIONS, "_shared", "contract", "database.ts");

const HEAD = `// deno-fmt-ignore-file: functions are uploaded with it, and a third of it would be white space.
/**
 * What the Data API serves, as supabase-js wants a \`Database\` described: made from the catalog by \`deno task contract\`,
 * held to it by tests/contracts/database_types_test.ts. What columns of JSON hold is said in columns.ts, what functions
 * answer in JSON in answers.ts; sql.ts puts them together.
 *
 * @module
 */
import type { JsonOf } from "./columns.ts";
import type { Json } from "./json.ts";

/** A table that is read. The Data API lets nobody write one: what changes it is a function. */
type Read<Row, Relationships = []> = {
  Row: Row; Insert: Record<never, never>; Update: Record<never, never>; Relationships: Relationships;
};
/** A foreign key. */
type Key<Name, Columns, One, Relation, Referenced> = {
  foreignKeyName: Name; columns: Columns; isOneToOne: One; referencedRelation: Relation; referencedColumns: Referenced;
};
`;

interface Column {
  name: string;
  type: string;
  nullable: boolean;
  /** The values of a check constraint \`column in (…)\`. */
  values: string[] | null;
}

interface Relation {
  name: string;
  /** View or materialized view. */
  view: boolean;
  columns: Column[];
  relationships: {
    name: string;
    columns: string[];
    one: boolean;
    relation: string;
    referenced: string[];
  }[];
}

interface Routine {
  name: string;
  args: { name: string; type: string; optional: boolean; nullable: boolean }[];
  set: boolean;
  /** Type of the result: a type, a row type of `Database`, or the columns of RETURNS TABLE. */
  type: string;
  relation: string | null;
  columns: { name: string; type: string }[] | null;
}

/** Roles that reach the database through the Data API. */
const CALLERS = "unnest(array['anon', 'authenticated', 'service_role']) as role (name)";

const RELATIONS = `
  select c.relname as name, c.relkind in ('v', 'm') as view, (
    select json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, null), 'nullable', not a.attnotnull and not exists (
        -- A view of one table has its columns as they are there.
        select from (
          select min(d.refobjid) as base from pg_rewrite w join pg_depend d on d.objid = w.oid and d.classid = 'pg_rewrite'::regclass
          where w.ev_class = c.oid and d.refclassid = 'pg_class'::regclass and d.refobjid <> c.oid
          having count(distinct d.refobjid) = 1) one
        join pg_attribute b on b.attrelid = one.base and b.attname = a.attname and b.atttypid = a.atttypid and b.attnotnull),
      'values', (
        select (select json_agg(v[1]) from regexp_matches(pg_get_constraintdef(k.oid), '''([^'']*)''::text', 'g') v)
        from pg_constraint k
        where k.conrelid = c.oid and k.contype = 'c' and k.conkey = array[a.attnum]
          and pg_get_constraintdef(k.oid) ~ ('^CHECK \\(\\(' || a.attname || ' = ANY \\(ARRAY\\[''[^'']*''::text(, ''[^'']*''::text)*\\]\\)\\)\\)$')
        limit 1)) order by a.attname)
    from pg_attribute a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      and exists (select from ${CALLERS} where has_column_privilege(role.name, c.oid, a.attnum, 'select'))) as columns, (
    select coalesce(json_agg(json_build_object('name', k.conname, 'relation', r.relname,
      'columns', (
        select json_agg(a.attname order by n.i) from unnest(k.conkey) with ordinality n (num, i)
        join pg_attribute a on a.attrelid = k.conrelid and a.attnum = n.num),
      'referenced', (
        select json_agg(a.attname order by n.i) from unnest(k.confkey) with ordinality n (num, i)
        join pg_attribute a on a.attrelid = k.confrelid and a.attnum = n.num),
      'one', exists (
        select from pg_index i where i.indrelid = c.oid and i.indisunique and i.indpred is null
          and i.indkey::int2[] <@ k.conkey and k.conkey <@ i.indkey::int2[])) order by k.conname), '[]')
    from pg_constraint k
    join pg_class r on r.oid = k.confrelid
    where k.conrelid = c.oid and k.contype = 'f' and r.relnamespace = c.relnamespace) as relationships
  from pg_class c
  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm') and not c.relispartition
    and exists (select from ${CALLERS} where has_any_column_privilege(role.name, c.oid, 'select'))
  order by c.relname`;

const ROUTINES = `
  select p.proname as name, p.proretset as set, format_type(p.prorettype, null) as type,
    (
      select case when r.relkind in ('v', 'm') then 'Views' else 'Tables' end || '"]["' || r.relname
      from pg_class r where r.oid = t.typrelid) as relation, (
    select coalesce(json_agg(json_build_object('name', a.name, 'type', format_type(a.type, null),
      'optional', a.i > p.pronargs - p.pronargdefaults,
      'nullable', pg_get_function_arg_default(p.oid, a.i::integer) ~* '^null') order by a.i), '[]')
    from unnest(p.proargnames[1:p.pronargs], p.proargtypes::oid[]) with ordinality as a (name, type, i)) as args, (
    select json_agg(json_build_object('name', a.name, 'type', format_type(a.type, null)) order by a.i)
    from unnest(p.proargnames, p.proallargtypes, p.proargmodes) with ordinality as a (name, type, mode, i)
    where a.mode = 't') as columns
  from pg_proc p join pg_type t on t.oid = p.prorettype
  where p.pronamespace = 'public'::regnamespace and p.prokind = 'f' and p.prorettype <> 'trigger'::regtype
    and exists (select from ${CALLERS} where has_function_privilege(role.name, p.oid, 'execute'))
  order by p.proname`;

/** The JSON form of each Postgres type in the Data API. */
const TYPES: Record<string, string> = {
  text: "string",
  uuid: "string",
  xid8: "string",
  date: "string",
  "timestamp with time zone": "string",
  "timestamp without time zone": "string",
  smallint: "number",
  integer: "number",
  bigint: "number",
  numeric: "number",
  real: "number",
  "double precision": "number",
  boolean: "boolean",
  json: "Json",
  jsonb: "Json",
  void: "null",
};

function typeOf(name: string): string {
  if (name.endsWith("[]")) return `${typeOf(name.slice(0, -2))}[]`;
  const type = TYPES[name];
  if (type === undefined) {
    throw new Error(`no type is known for ${name}: add it to tools/docs/database_types.ts`);
  }
  return type;
}

const quoted = (words: string[]) => words.map((word) => JSON.stringify(word));
const orNull = (type: string, nullable: boolean) => nullable && type !== "Json" ? `${type} | null` : type;

function columnType(table: string, { name, type, values }: Column): string {
  if (values !== null) return quoted(values).join(" | ");
  return type === "jsonb" ? `JsonOf<"${table}.${name}">` : typeOf(type);
}

/** Argument types are readonly for lists. */
function argumentType(type: string): string {
  return type.endsWith("[]") ? `readonly ${typeOf(type)}` : typeOf(type);
}

const block = (members: string[]) =>
  members.length === 0 ? "Record<never, never>" : `{ ${members.join(" ")} }`;
const lines = (members: string[]) =>
  members.length === 0 ? "Record<never, never>" : `{\n${members.join("\n")}\n}`;

function relationText({ name, columns, relationships }: Relation): string {
  const row = columns.map((column) =>
    `${column.name}: ${orNull(columnType(name, column), column.nullable)};`
  );
  const related = relationships.map((each) =>
    `Key<${
      [
        JSON.stringify(each.name),
        `[${quoted(each.columns).join(", ")}]`,
        each.one,
        JSON.stringify(each.relation),
        `[${quoted(each.referenced).join(", ")}]`,
      ].join(", ")
    }>`
  );
  const more = related.length === 0 ? "" : `, [${related.join(", ")}]`;
  return `${name}: Read<${block(row)}${more}>;`;
}

function routineText({ name, args, set, type, relation, columns }: Routine): string {
  const given = args.map((arg) =>
    `${arg.name}${arg.optional ? "?" : ""}: ${orNull(argumentType(arg.type), arg.nullable)};`
  );
  const one = columns !== null
    ? block(columns.map((column) => `${column.name}: ${typeOf(column.type)};`))
    : relation !== null
    ? `Database["public"]["${relation}"]["Row"]`
    : typeOf(type);
  return `${name}: { Args: ${block(given)}; Returns: ${set ? `${one}[]` : one} };`;
}

/** The content of the file for this database's catalog. @throws Error for an unknown type. */
export async function typesText(sql: Sql): Promise<string> {
  const [relations, routines] = await Promise.all([
    sql.unsafe<Relation[]>(RELATIONS),
    sql.unsafe<Routine[]>(ROUTINES),
  ]);
  const doubled = routines.find(({ name }, i) => routines[i + 1]?.name === name);
  // PostgREST would have to guess which is meant.
  if (doubled !== undefined) throw new Error(`public.${doubled.name} is there twice`);
  const part = (of: Relation[]) => lines(of.map(relationText));
  return `${HEAD}
/** Tables and views that can be read, and functions that can be called, with a key or a session. */
export type Database = { public: {
Tables: ${part(relations.filter(({ view }) => !view))};
Views: ${part(relations.filter(({ view }) => view))};
Functions: ${lines(routines.map(routineText))};
} };
`;
}

if (import.meta.main) {
  const about =
    "Write the types of what the Data API serves, from the catalog of a database that the migrations made.";
  const { check } = task("contract", about)
    .option("--check", "write nothing; exit code 1 when they are not current")
    .parse(Deno.args, { from: "user" })
    .opts<{ check?: boolean }>();
  const { testDatabase } = await import("../../tests/support/postgres.ts");
  const { sql, drop } = await testDatabase();
  const text = await typesText(sql).finally(drop);
  if (!check) await Deno.writeTextFile(TYPES_FILE, text);
  else if (await Deno.readTextFile(TYPES_FILE).catch(() => "") !== text) {
    console.error(
      "supabase/functions/_shared/contract/database.ts is not current: run `deno task contract`.",
    );
    Deno.exit(1);
  }
}
