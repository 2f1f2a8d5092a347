/**
 * Saves the state of a database and restores it: everything that a test wrote is undone, however it was
 * written.
 */
import type { Sql } from "postgres";
import { until } from "./until.ts";

/** Restores the saved state; resolves when that is done. */
export type Restore = () => Promise<void>;

/** Tables that are not restored: the functions detect changes by them, so they only ever grow. */
const KEPT = ["private.config_revision"];
/** deadlock_detected: somebody wrote to the tables in another order, and was faster. */
const DEADLOCK = "40P01";

interface Table {
  /** Quoted, with its schema. */
  name: string;
  /** Columns that are written, as a quoted list. */
  columns: string;
}

/**
 * Saves every row of the product and of Auth, in memory. Intended for a stack with only its seed.
 * @param sql As superuser.
 */
export async function snapshot(sql: Sql): Promise<Restore> {
  const tables = await sql<Table[]>`
    select format('%I.%I', n.nspname, c.relname) as name, string_agg(quote_ident(a.attname), ', ') as columns
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    where n.nspname in ('public', 'private', 'auth') and c.relkind in ('r', 'p') and not c.relispartition
      and format('%I.%I', n.nspname, c.relname) <> all (${KEPT})
    group by 1 order by 1`;
  const inserts: string[] = [];
  for (const { name, columns } of tables) {
    const [{ insert }] = await sql.unsafe(`
      select format('insert into ${name} (${columns}) overriding system value
        select ${columns} from jsonb_populate_recordset(null::${name}, %L)', jsonb_agg(t)) as insert
      from ${name} t having count(*) > 0`).then((rows) => rows.length > 0 ? rows : [{ insert: "" }]);
    if (insert !== "") inserts.push(insert);
  }
  const names = tables.map(({ name }) => name).join(", ");
  // Transactions under way end before a table is emptied. No trigger fires.
  const script = `
    set local session_replication_role = replica;
    truncate ${names};
    ${inserts.join(";\n")};
    update private.config_revision set revision = revision + 1;
    update public.links set changed_in = pg_current_xact_id()`;

  /**
   * Whether it was restored; not while a delivery or a send is in flight, whose result would arrive
   * afterwards.
   */
  const restored = () =>
    sql.begin(async (sql) => {
      await sql`lock table private.delivery_lanes, private.outbound_lanes in access exclusive mode`;
      const [{ busy }] = await sql`
        select exists (select from private.delivery_lanes where lease is not null and due_at > now())
          or exists (select from private.outbound_lanes where lease is not null and due_at > now()) as busy`;
      if (busy) return false;
      await sql.unsafe(script);
      return true;
    });
  return async () => {
    await until("no delivery or send is under way", () =>
      restored().catch((error) => {
        if (error.code === DEADLOCK) return false;
        throw error;
      }));
  };
}
