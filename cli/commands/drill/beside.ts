/** What a drill puts in the way of the rollbacks: the states in which an emergency may find the database. */
import type { Beside } from "./states.ts";
import postgres, { type Sql } from "postgres";

/** A state that is in force until {@linkcode end}. */
export interface Obstacle {
  /** What a rollback that it blocks must say. */
  named: RegExp;
  end(): Promise<void>;
}

/**
 * Brings it about.
 *
 * @param flag The flag that the drill turns off.
 * @param table The table that the drill's reverse drops.
 */
export async function obstruct(
  beside: Beside,
  dbUrl: string,
  { flag, table }: { flag: string; table: string },
): Promise<Obstacle> {
  const sql = postgres(dbUrl, { max: 1, onnotice: () => {} });
  try {
    return await MAKE[beside](sql, flag, table);
  } catch (error) {
    await sql.end({ timeout: 1 });
    throw error;
  }
}

const MAKE: Record<Beside, (sql: Sql, flag: string, table: string) => Promise<Obstacle>> = {
  async "open-transaction"(sql, flag, table) {
    await sql`begin`;
    const [{ pid }] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
    await sql`update public.settings set metadata = metadata where key = ${flag}`;
    await sql`lock table ${sql(table)} in row exclusive mode`;
    return {
      named: new RegExp(`process ${pid} \\(.+\\), for \\d+ s: lock table`),
      async end() {
        await sql`rollback`;
        await sql.end({ timeout: 1 });
      },
    };
  },

  async "full-segments"(sql, flag) {
    await sql`insert into public.segments (key) values ('drill-1'), ('drill-2')`;
    await sql`
      insert into public.segment_members (segment_key, subject_id)
      select s.key, format('%s-%s-0000-4000-8000-000000000000', s.key, g.i)
      from (values ('drill-1'), ('drill-2')) s (key), generate_series(1, 10000) g (i)`;
    await sql`
      update public.settings set metadata = metadata || jsonb_build_object(
        'rollout_percentage', 100, 'target_segments', array['drill-1', 'drill-2'],
        'target_user_ids', (select jsonb_agg(format('u%s-0000-4000-8000-000000000000', g.i)) from generate_series(1, 20000) g (i)))
      where key = ${flag}`;
    // Nothing is in the way: each has to work.
    return { named: /^(?!)/, end: () => sql.end({ timeout: 1 }) };
  },

  async "read-only"(sql) {
    const [{ name }] = await sql<{ name: string }[]>`select current_database() as name`;
    const everySession = async (change: string) => {
      await sql.unsafe(`alter database "${name.replaceAll('"', '""')}" ${change}`);
      await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name} and pid <> pg_backend_pid()`;
    };
    await everySession("set default_transaction_read_only = on");
    return {
      named: /accepts no writes/,
      async end() {
        await everySession("reset default_transaction_read_only");
        await sql.end({ timeout: 1 });
      },
    };
  },
};
