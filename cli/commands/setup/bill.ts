/** Step: what the project costs while nobody writes. */
import { asked, type Target } from "./target.ts";
import type { WalkStep } from "./walk.ts";

const DAYS = 30;

/** Calls of functions in 30 days by the jobs of the clock that always call, whatever there is to do. */
export async function idleCalls(sql: Target["sql"]): Promise<number> {
  const [{ calls }] = await sql`
    select coalesce(sum(86400 / every_seconds), 0)::int * ${DAYS}::int as calls
    from private.clock_jobs() where kind = 'http' and due is null`;
  return calls;
}

/** Says it. Nothing can be done about it here. */
export function bill({ sql }: Target): WalkStep {
  return {
    name: "bill",
    what: "work out the idle project's bill",
    look: () =>
      asked(async () => {
        const calls = await idleCalls(sql);
        const [{ bytes }] = await sql`select pg_database_size(current_database())::float8 as bytes`;
        return {
          done: true,
          found: `idle: ${calls.toLocaleString("en")} calls of functions in ${DAYS} days, ${
            (bytes / 1e9).toFixed(2)
          } GB; the free plan includes 500,000 and 0.5 GB (docs/operations.md, What it costs)`,
        };
      }),
  };
}
