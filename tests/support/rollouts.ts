/** Rollouts on the database: outcomes of a flag minute by minute, and the clock's call at a time of the test's own. */
import type { Sql } from "postgres";
import type { Minute } from "../../supabase/functions/_shared/rollouts/minutes.ts";
import { histogramOf } from "./rollout_traffic.ts";

/** Writes minutes as `record_outcomes` would have, shifted by `shift` minutes. */
export async function writeMinutes(
  sql: Sql,
  flag: string,
  minutes: readonly Minute[],
  shift = 0,
): Promise<void> {
  const rows = minutes.flatMap(({ minute, on, off }) =>
    ([["on", on], ["off", off]] as const).filter(([, { n }]) => n > 0).map(([arm, counts]) => ({
      at: (minute + shift) * 60,
      arm,
      n: counts.n,
      failed: counts.failed,
      timed: counts.timed,
      ms: counts.ms,
      le: histogramOf(counts),
      again: counts.again,
    }))
  );
  await sql`
    insert into public.flag_metrics (flag_key, minute, arm, n, failed, timed, ms, le, failed_again)
    select ${flag}, to_timestamp(r.at), r.arm, r.n, r.failed, r.timed, r.ms, array(select jsonb_array_elements_text(r.le)::integer), r.again
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
      as r (at float8, arm text, n integer, failed integer, timed integer, ms bigint, le jsonb, again integer)`;
}

/** A verdict of the guard. */
export interface Verdict {
  flag_key: string;
  verdict: string;
  rule: string;
}

/** The clock's call, so many seconds after a time of the database. */
export async function advance(sql: Sql, from: Date, seconds: number): Promise<Verdict[]> {
  const at = new Date(from.getTime() + seconds * 1000);
  const rows = await sql<Verdict[]>`select flag_key, verdict, rule from private.advance_rollouts(${at})`;
  return [...rows].map((row) => ({ ...row }));
}
