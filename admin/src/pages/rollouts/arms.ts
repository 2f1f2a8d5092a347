/** Both arms' figures per interval, from flag_metrics. Pure. */
import type { Row } from "../../../../supabase/functions/_shared/contract/sql.ts";
import { EDGES_MS } from "../../../../supabase/functions/_shared/rollouts/latency.ts";

/** A row of `flag_metrics`; `le[i]` is the number of outcomes of at most EDGES_MS[i]. */
export type MetricRow = Pick<Row<"flag_metrics">, "minute" | "arm" | "n" | "failed" | "timed" | "le">;

/** One arm in one interval; null if there are no data. */
export interface Figures {
  n: number;
  failed: number;
  /** Failure rate, 0 to 1. */
  rate: number | null;
  p95: number | null;
}

/** Intervals of equal length, with both arms in each. */
export interface Step {
  /** Unix times in seconds. */
  at: number;
  on: Figures;
  off: Figures;
}

/** The first edge with at least 95 % of the outcomes at or below it. */
export function p95(le: readonly number[], timed: number): number | null {
  if (timed === 0) return null;
  const edge = EDGES_MS.findIndex((_, index) => le[index] >= 0.95 * timed);
  return edge === -1 ? EDGES_MS.at(-1)! : EDGES_MS[edge];
}

/** Adds up rows. */
export function sum(rows: readonly MetricRow[]): Figures {
  const le = EDGES_MS.map((_, index) => rows.reduce((total, row) => total + row.le[index], 0));
  const [n, failed, timed] = (["n", "failed", "timed"] as const).map((name) =>
    rows.reduce((total, row) => total + row[name], 0)
  );
  return { n, failed, rate: n === 0 ? null : failed / n, p95: p95(le, timed) };
}

/** Groups rows into intervals of the given number of minutes. */
export function steps(rows: readonly MetricRow[], minutes: number): Step[] {
  const groups = Map.groupBy(
    rows,
    ({ minute }) => Math.floor(Date.parse(minute) / 60_000 / minutes) * minutes * 60,
  );
  return [...groups].sort(([a], [b]) => a - b).map(([at, rows]) => ({
    at,
    on: sum(rows.filter(({ arm }) => arm === "on")),
    off: sum(rows.filter(({ arm }) => arm === "off")),
  }));
}
