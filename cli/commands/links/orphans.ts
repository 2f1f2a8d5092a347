/** Requested codes that no link has: misprints of existing codes. */
import type { Row } from "../../../supabase/functions/_shared/contract/sql.ts";
import type { Api } from "../../core/api.ts";

/** Number of days that are covered, including today. */
export const ORPHAN_DAYS = 7;
/** Maximum number of codes shown. */
const MOST = 10;

/** An unknown code, and how often it was requested. */
export type Orphan = Pick<Row<"orphan_visits">, "code" | "visits">;

/**
 * The misprints requested most in the last days. Other codes are stored only by their kind, "(other)", because they may
 * be somebody's name; they are left out.
 */
export async function topOrphans(api: Api): Promise<Orphan[]> {
  const since = new Date(Date.now() - (ORPHAN_DAYS - 1) * 86_400_000).toISOString().slice(0, 10);
  const rows = await api.rows((client) =>
    client.from("orphan_visits").select("code,visits").gte("day", since)
      .not("code", "like", "(%").order("visits", { ascending: false }).limit(1000)
  );
  const visits = new Map<string, number>();
  for (const row of rows) visits.set(row.code, (visits.get(row.code) ?? 0) + row.visits);
  return [...visits].map(([code, visits]) => ({ code, visits }))
    .sort((a, b) => b.visits - a.visits || (a.code < b.code ? -1 : 1)).slice(0, MOST);
}
