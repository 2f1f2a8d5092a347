/** Rate limits and counters in SQL: the algorithm on an injected clock, and under real concurrency. */
import { assertEquals } from "../support/assert.ts";
import fc from "fast-check";
import type { Sql } from "postgres";
import { as, refusal, SERVICE } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { holds } from "../support/property.ts";

interface Taken {
  allowed: boolean;
  remaining: number;
  reset_ms: number;
  retry_after_ms: number | null;
}

const EPOCH = Date.UTC(2026, 10, 21);
/** To be cast from text: as a parameter of type timestamptz the driver makes it a Date, which knows milliseconds only. */
const at = (microseconds: number) =>
  `${new Date(EPOCH + Math.floor(microseconds / 1000)).toISOString().slice(0, -1)}${
    String(microseconds % 1000).padStart(3, "0")
  }Z`;

async function take(
  sql: Sql,
  key: string,
  rate: number,
  burst: number,
  cost: number,
  now: number,
): Promise<Taken> {
  const [row] = await sql<Taken[]>`
    select allowed, remaining, reset_ms::float8, retry_after_ms::float8
    from private.take_rate(${key}, ${rate}, ${burst}, ${cost}, ${at(now)}::text::timestamptz)`;
  return { ...row };
}

databaseTest("take_rate: a worked example of 2 per second with bursts of 3", async (sql) => {
  const cases: [number, number, Taken][] = [
    [0, 1, { allowed: true, remaining: 2, reset_ms: 500, retry_after_ms: 0 }],
    [0, 1, { allowed: true, remaining: 1, reset_ms: 1000, retry_after_ms: 0 }],
    [0, 1, { allowed: true, remaining: 0, reset_ms: 1500, retry_after_ms: 0 }],
    [0, 1, { allowed: false, remaining: 0, reset_ms: 1500, retry_after_ms: 500 }],
    [499_999, 1, { allowed: false, remaining: 0, reset_ms: 1001, retry_after_ms: 1 }],
    [500_000, 1, { allowed: true, remaining: 0, reset_ms: 1500, retry_after_ms: 0 }],
    [1_000_000, 2, { allowed: false, remaining: 1, reset_ms: 1000, retry_after_ms: 500 }],
    [1_000_000, 0, { allowed: true, remaining: 1, reset_ms: 1000, retry_after_ms: 0 }],
    [1_500_000, 2, { allowed: true, remaining: 0, reset_ms: 1500, retry_after_ms: 0 }],
    [9_000_000, 4, { allowed: false, remaining: 3, reset_ms: 0, retry_after_ms: null }],
    [9_000_000, 3, { allowed: true, remaining: 0, reset_ms: 1500, retry_after_ms: 0 }],
  ];
  for (const [now, cost, expected] of cases) {
    assertEquals(await take(sql, "k", 2, 3, cost, now), expected, `${cost} at ${now}`);
  }
});

databaseTest(
  "take_rate: allows never more than burst + rate * t, and never less than is available",
  async (sql) => {
    let run = 0;
    const limits = fc.record({
      rate: fc.oneof(fc.integer({ min: 1, max: 1000 }), fc.constantFrom(0.1, 1 / 6, 1 / 3, 3, 7, 80)),
      burst: fc.integer({ min: 1, max: 20 }),
      takes: fc.array(
        fc.record({ wait: fc.integer({ min: 0, max: 400_000 }), cost: fc.integer({ min: 1, max: 4 }) }),
        { minLength: 1, maxLength: 40 },
      ),
    });
    await holds(
      fc.asyncProperty(limits, async ({ rate, burst, takes }) => {
        const key = `property:${run++}`;
        const times: { now: number; cost: number }[] = [];
        let now = 0;
        // A token bucket kept by hand, in takes: the same limit seen from its other side.
        let tokens = burst, filled = 0;
        for (const { wait, cost } of takes) {
          now += wait;
          tokens = Math.min(burst, tokens + (now - filled) * rate / 1e6);
          filled = now;
          const taken = await take(sql, key, rate, burst, cost, now);
          // Rounding the interval up to whole microseconds costs less than a thousandth of a take here.
          const slack = 1e-3 * burst;
          if (taken.allowed) assertEquals(tokens >= cost - 1e-6, true, `allowed ${cost} with ${tokens}`);
          else assertEquals(tokens < cost + slack, true, `refused ${cost} with ${tokens}`);
          if (taken.allowed) {
            tokens -= cost;
            times.push({ now, cost });
          } else if (taken.retry_after_ms !== null) {
            const later = now + taken.retry_after_ms * 1000;
            const [{ allowed }] = await sql`
            select g.allowed from public.rate_limits r,
              lateral private.gcra(r.tat, ${
              at(later)
            }::text::timestamptz, ${rate}, ${burst}, ${cost}) g where r.key = ${key}`;
            assertEquals(allowed, true, "retry_after_ms is long enough");
          }
        }
        for (let i = 0; i < times.length; i++) {
          let sum = 0;
          for (let j = i; j < times.length; j++) {
            sum += times[j].cost;
            assertEquals(sum <= burst + rate * (times[j].now - times[i].now) / 1e6 + 1e-9, true);
          }
        }
      }),
      { cases: 60 },
    );
  },
);

databaseTest("take_rate: concurrent takes of one key in many sessions share one limit", async (sql) => {
  const rate = 50, burst = 20;
  const started = performance.now();
  const results = await Promise.all(Array.from({ length: 400 }, async () => {
    const [{ result }] = await sql`select public.take_rate('shared', ${rate}, ${burst}) as result`;
    return result as Taken & { limit: number };
  }));
  const seconds = (performance.now() - started) / 1000;
  const allowed = results.filter((result) => result.allowed).length;
  assertEquals(allowed >= burst, true, `${allowed} allowed`);
  assertEquals(allowed <= burst + rate * seconds + 1, true, `${allowed} allowed in ${seconds} s`);
  assertEquals(results.every(({ limit }) => limit === burst), true);
});

databaseTest("take_rate: many sessions at the same instant get exactly the burst", async (sql) => {
  const results = await Promise.all(Array.from({ length: 200 }, () => take(sql, "instant", 10, 30, 1, 0)));
  assertEquals(results.filter(({ allowed }) => allowed).length, 30);
  assertEquals(
    results.filter(({ allowed }) => allowed).map(({ remaining }) => remaining).sort((a, b) => a - b),
    Array.from({ length: 30 }, (_, i) => i),
  );
});

databaseTest(
  "take_rate: a clock that steps back grants nothing extra, and keys are independent",
  async (sql) => {
    for (let i = 0; i < 3; i++) await take(sql, "a", 1, 3, 1, 5_000_000);
    assertEquals((await take(sql, "a", 1, 3, 1, 0)).allowed, false);
    assertEquals((await take(sql, "b", 1, 3, 1, 0)).allowed, true);
  },
);

databaseTest("take_rate: refuses an impossible limit", async (sql) => {
  const impossible: [number | null, number | null, number | null][] = [
    [0, 1, 1],
    [-1, 1, 1],
    [null, 1, 1],
    [1, 0, 1],
    [1, null, 1],
    [1, 1, -1],
    [1, 1, null],
  ];
  for (const [rate, burst, cost] of impossible) {
    assertEquals(await refusal(sql`select public.take_rate('x', ${rate}, ${burst}, ${cost})`), "22023");
  }
  assertEquals(await refusal(sql`select public.take_rate('', 1, 1)`), "23514");
});

databaseTest("purge_rate_limits: removes fully refilled limits and nothing else", async (sql) => {
  await take(sql, "old", 1, 5, 1, 0);
  await take(sql, "busy", 1, 5, 5, 0);
  const [{ purged }] = await sql`select private.purge_rate_limits(${at(2_000_000)})::int as purged`;
  assertEquals(purged, 1);
  assertEquals((await sql`select key from public.rate_limits`).map(({ key }) => key), ["busy"]);
  assertEquals((await take(sql, "busy", 1, 5, 5, 2_000_000)).allowed, false);
});

databaseTest("add_counts: sums over calls, labels and sessions, with the secret key", async (sql) => {
  await as(sql, SERVICE, (sql) => sql`select public.add_counts('[]')`);
  await Promise.all(
    Array.from({ length: 60 }, (_, i) =>
      as(sql, SERVICE, (sql) =>
        sql`select public.add_counts(${
          sql.json([
            { name: "refused", label: i % 2 ? "odd" : "even", n: 2 },
            { name: "plain", n: 1 },
            { name: "plain", label: "", n: 1 },
            { name: "nothing", label: "", n: 0 },
          ])
        })`)),
  );
  const rows =
    await sql`select name, label, sum(value)::int as n from public.counters group by 1, 2 order by 1, 2`;
  assertEquals(rows.map((row) => ({ ...row })), [
    { name: "plain", label: "", n: 120 },
    { name: "refused", label: "even", n: 60 },
    { name: "refused", label: "odd", n: 60 },
  ]);
});

databaseTest(
  "add_counts: sessions that name the same counters in different orders do not deadlock",
  async (sql) => {
    const names = Array.from({ length: 20 }, (_, i) => `counter_${i}`);
    // Sessions with pids 16 apart share a slot; ten connections do not, so the slot is made the same here.
    await sql.unsafe(
      (await sql`select pg_get_functiondef('public.add_counts(jsonb)'::regprocedure) as f`)[0].f
        .replace("pg_backend_pid() % 16", "0"),
    );
    await Promise.all(Array.from({ length: 100 }, (_, i) => {
      const order = i % 2 ? names : names.toReversed();
      return sql`select public.add_counts(${sql.json(order.map((name) => ({ name, n: 1 })))})`;
    }));
    const [{ least, most }] =
      await sql`select min(value)::int as least, max(value)::int as most from public.counters`;
    assertEquals([least, most], [100, 100]);
  },
);

databaseTest("schema_version: the newest recorded migration, or null without a record", async (sql) => {
  const [{ newest }] = await sql`select max(version) as newest from supabase_migrations.schema_migrations`;
  const asked = await as(sql, SERVICE, (sql) => sql`select public.schema_version() as version`);
  assertEquals(asked[0].version, newest);
  await sql`drop table supabase_migrations.schema_migrations`;
  assertEquals((await sql`select public.schema_version() as version`)[0].version, null);
});
