/** Clicks in the database, for benches that count them. */
import type { Sql } from "postgres";
import { codeOf } from "./visits.ts";

/** Takes all clicks away. */
export async function forgetClicks(sql: Sql): Promise<void> {
  await sql`truncate public.clicks, public.click_counts, private.click_batches`;
}

/** Clicks in the database once they are as many as expected, or become no more. */
export async function clicksAtRest(sql: Sql, expected: number): Promise<number> {
  let before = -1;
  for (;;) {
    const [{ clicks, counted }] = await sql<{ clicks: number; counted: number }[]>`
      select (select coalesce(sum(visits), 0) from public.clicks where code like ${
      codeOf(0).replace(/0$/, "%")
    })::int as clicks,
        (select coalesce(sum(human + bot + preview + prefetch), 0) from public.click_counts)::int as counted`;
    if (clicks !== counted) throw new Error(`${clicks} clicks were written and ${counted} counted`);
    if (clicks >= expected || clicks === before) return clicks;
    before = clicks;
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
}
