/** A database as it is now, and the way back there: what a test wrote is gone, however it wrote it. */
import type { Sql } from "postgres";
import { until } from "./until.ts";

/** What puts it back. Resolves when it is as it was. */
export type Restore = () => Promise<void>;

/** Rows of these are no state of a test: functions at the edge tell by them what is new, so they only ever grow. */
const KEPT = ["private.config_revision"];
/** deadlock_detected: somebody wrote to the tables in another order, and was faster. */
const DEADLOCK = "40P01";

interface Table {
  /** Quoted, with its schema. */
  name: string;
  /** Columns that are written, quoted, in a list. */
  columns: string;
}

/**
 * Remembers every row of the product and of Auth. Meant for a stack that was seeded and nothing else: all of it is held
 * in memory.
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

  /** Whether it was done; not while somebody works at a delivery or a send, whose result would come in afterwards. */
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
