/** The catalog of a database as text, so that two states of it can be compared. */
import type { Sql } from "postgres";

/** From the name of an object, kind first, to everything that defines it. */
export type Catalog = ReadonlyMap<string, string>;

const SCHEMAS = "n.nspname in ('public', 'private')";

/**
 * Privileges as sorted lines of grantee, privilege and grant option, including those that null stands for.
 */
const rights = (acl: string, kind: string, owner: string) =>
  `(select string_agg(format('%s may %s%s', case when a.grantee = 0 then 'public' else a.grantee::regrole::text end,
      a.privilege_type, case when a.is_grantable then ' and grant it' end), ', ' order by a.grantee::regrole::text, a.privilege_type)
    from aclexplode(coalesce(${acl}, acldefault('${kind}', ${owner}))) a)`;

/** Each answers rows of name and definition. */
const QUERIES: Record<string, string> = {
  schema: `
    select n.nspname as name, concat_ws(E'\\n', n.nspowner::regrole, ${rights("n.nspacl", "n", "n.nspowner")},
      obj_description(n.oid, 'pg_namespace')) as definition
    from pg_namespace n where ${SCHEMAS}`,
  relation: `
    select format('%I.%I', n.nspname, c.relname) as name, concat_ws(E'\\n', c.relkind, c.relpersistence,
      c.relowner::regrole, 'rls ' || c.relrowsecurity, 'force rls ' || c.relforcerowsecurity, c.relispartition,
      c.reloptions, pg_get_partkeydef(c.oid), pg_get_expr(c.relpartbound, c.oid), c.relreplident,
      case when c.relkind in ('v', 'm') then pg_get_viewdef(c.oid) end,
      ${rights("c.relacl", "r", "c.relowner")}, obj_description(c.oid, 'pg_class')) as definition
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where ${SCHEMAS} and c.relkind in ('r', 'p', 'v', 'm', 'f', 'c')`,
  sequence: `
    select format('%I.%I', n.nspname, c.relname) as name, concat_ws(E'\\n', c.relowner::regrole, s.seqtypid::regtype,
      s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle, (
        select format('of %s.%I', d.refobjid::regclass, a.attname) from pg_depend d
        join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
        where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i')), ${
    rights("c.relacl", "s", "c.relowner")
  },
      obj_description(c.oid, 'pg_class')) as definition
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_sequence s on s.seqrelid = c.oid
    where ${SCHEMAS}`,
  // Places are counted without the gaps that dropped columns leave behind.
  column: `
    select format('%I.%I.%I', n.nspname, c.relname, a.attname) as name, concat_ws(E'\\n',
      row_number() over (partition by c.oid order by a.attnum), format_type(a.atttypid, a.atttypmod), a.attnotnull,
      pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated, a.attcollation::regcollation, a.attstorage,
      a.attcompression, a.attstattarget, a.attoptions, case when a.attacl is not null then ${
    rights("a.attacl", "c", "c.relowner")
  } end,
      col_description(c.oid, a.attnum)) as definition
    from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
    left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
    where ${SCHEMAS} and c.relkind in ('r', 'p', 'v', 'm', 'f', 'c') and a.attnum > 0 and not a.attisdropped`,
  constraint: `
    select format('%s of %s', k.conname, case when k.conrelid <> 0 then k.conrelid::regclass::text
        else k.contypid::regtype::text end) as name,
      concat_ws(E'\\n', k.contype, pg_get_constraintdef(k.oid), 'valid ' || k.convalidated,
        obj_description(k.oid, 'pg_constraint')) as definition
    from pg_constraint k join pg_namespace n on n.oid = k.connamespace where ${SCHEMAS}`,
  index: `
    select format('%I.%I', n.nspname, c.relname) as name, concat_ws(E'\\n', pg_get_indexdef(i.indexrelid),
      'valid ' || i.indisvalid, i.indisclustered, i.indisreplident, obj_description(c.oid, 'pg_class')) as definition
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
    where ${SCHEMAS}`,
  policy: `
    select format('%I of %s', p.polname, p.polrelid::regclass) as name, concat_ws(E'\\n', p.polcmd, p.polpermissive,
      (select string_agg(case when r = 0 then 'public' else r::regrole::text end, ', ') from unnest(p.polroles) r),
      pg_get_expr(p.polqual, p.polrelid), 'check ' || pg_get_expr(p.polwithcheck, p.polrelid),
      obj_description(p.oid, 'pg_policy')) as definition
    from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
    where ${SCHEMAS}`,
  trigger: `
    select format('%I of %s', t.tgname, t.tgrelid::regclass) as name, concat_ws(E'\\n', pg_get_triggerdef(t.oid),
      t.tgenabled, obj_description(t.oid, 'pg_trigger')) as definition
    from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
    left join pg_namespace f on f.oid = (select pronamespace from pg_proc where oid = t.tgfoid)
    where (${SCHEMAS} or f.nspname in ('public', 'private')) and not t.tgisinternal`,
  function: `
    select p.oid::regprocedure::text as name, concat_ws(E'\\n', p.proowner::regrole,
      case when p.prokind = 'a' then 'aggregate' else pg_get_functiondef(p.oid) end,
      ${rights("p.proacl", "f", "p.proowner")}, obj_description(p.oid, 'pg_proc')) as definition
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace where ${SCHEMAS}`,
  // Composite types are relations above; those of tables and arrays follow what they belong to.
  type: `
    select format('%I.%I', n.nspname, t.typname) as name, concat_ws(E'\\n', t.typtype, t.typowner::regrole,
      t.typnotnull, t.typdefault, nullif(t.typbasetype, 0)::regtype,
      (select string_agg(e.enumlabel, ', ' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid),
      ${rights("t.typacl", "T", "t.typowner")}, obj_description(t.oid, 'pg_type')) as definition
    from pg_type t join pg_namespace n on n.oid = t.typnamespace
    where ${SCHEMAS} and (t.typtype in ('d', 'e', 'r')
      or t.typtype = 'c' and (select relkind from pg_class where oid = t.typrelid) = 'c')`,
  "default rights": `
    select format('%s in %s for %s', d.defaclobjtype, coalesce(n.nspname, 'all'), d.defaclrole::regrole) as name,
      d.defaclacl::text as definition
    from pg_default_acl d left join pg_namespace n on n.oid = d.defaclnamespace`,
  // Whatever else lives in our schemas (operators, collations, statistics, …), by its name at least.
  object: `
    select o.identity as name, o.type as definition
    from pg_depend d cross join lateral pg_identify_object(d.classid, d.objid, d.objsubid) o
    join pg_namespace n on n.oid = d.refobjid
    where d.refclassid = 'pg_namespace'::regclass and ${SCHEMAS}
      and d.classid not in ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass, 'pg_constraint'::regclass)`,
  cast: `
    select format('%s as %s', castsource::regtype, casttarget::regtype) as name, concat_ws(E'\\n', castcontext, castmethod,
      nullif(castfunc, 0)::regprocedure) as definition
    from pg_cast k where exists (select from pg_type t join pg_namespace n on n.oid = t.typnamespace
      where t.oid in (k.castsource, k.casttarget) and ${SCHEMAS})`,
  "event trigger": `
    select evtname as name, concat_ws(E'\\n', evtevent, evtfoid::regprocedure, evtenabled, evttags) as definition
    from pg_event_trigger`,
  extension: `select extname as name, extversion as definition from pg_extension`,
  publication: `
    select format('%s of %s', pubname, format('%I.%I', schemaname, tablename)) as name, rowfilter as definition
    from pg_publication_tables`,
};

/** Reads the schemas public and private, and what else a migration may leave behind. */
export async function readCatalog(sql: Sql): Promise<Catalog> {
  const kinds = await Promise.all(
    Object.entries(QUERIES).map(async ([kind, query]) => {
      const rows = await sql.unsafe(`${query} order by 1`);
      return rows.map(({ name, definition }): [string, string] => [`${kind} ${name}`, definition]);
    }),
  );
  return new Map(kinds.flat());
}

/** The differences of `actual` from `expected`: one line per object, empty if there are none. */
export function catalogDifferences(expected: Catalog, actual: Catalog): string[] {
  return [...new Set([...expected.keys(), ...actual.keys()])].flatMap((name) => {
    const [before, now] = [expected.get(name), actual.get(name)];
    if (before === now) return [];
    if (now === undefined) return [`${name}: missing`];
    if (before === undefined) return [`${name}: left over`];
    return [`${name}: was\n${before}\nand is\n${now}`];
  });
}
