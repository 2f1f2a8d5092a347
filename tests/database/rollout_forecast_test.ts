/** Outcomes as the database takes them, forecasts made of them, and what of rollouts the clock runs. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { begin, take } from "../../supabase/functions/_shared/rollouts/guard.ts";
import { span } from "../../supabase/functions/_shared/rollouts/minutes.ts";
import { EDGES_MS } from "../../supabase/functions/_shared/rollouts/latency.ts";
import { refusal } from "../support/callers.ts";
import { databaseTest } from "../support/database.ts";
import { minutesOfDay, xorshift } from "../support/rollout_traffic.ts";

const FLAG = "checkout.enabled";
const NOW = new Date("2026-11-21T10:30:30Z");
const MINUTE = Math.floor(NOW.getTime() / 60_000);

const sum = (minute: number, changes: Record<string, unknown> = {}) => ({
  flag: FLAG,
  arm: "on",
  minute,
  n: 2,
  failed: 1,
  timed: 2,
  ms: 300,
  le: EDGES_MS.map((edge) => edge >= 200 ? 2 : edge >= 100 ? 1 : 0),
  ...changes,
});

const record = (sql: Sql, outcomes: unknown[], at = NOW) =>
  sql`select private.record_outcomes(${sql.json(outcomes as never)}, ${at})`;

async function metrics(sql: Sql) {
  const rows = await sql`
    select (extract(epoch from minute) / 60)::int - ${MINUTE}::int as minute, arm, n, failed, timed, ms::int, le
    from public.flag_metrics order by minute, arm`;
  return [...rows].map((row) => ({ ...row }));
}

databaseTest("record_outcomes(): sums groups from one call and from several isolates", async (sql) => {
  await record(sql, [sum(MINUTE), sum(MINUTE), sum(MINUTE, { arm: "off", failed: 0 })]);
  await record(sql, [sum(MINUTE)]);
  const [off, on] = await metrics(sql);
  assertEquals([off.n, off.failed], [2, 0]);
  assertEquals([on.n, on.failed, on.timed, on.ms], [6, 3, 6, 900]);
  assertEquals(on.le, EDGES_MS.map((edge) => edge >= 200 ? 6 : edge >= 100 ? 3 : 0));
});

databaseTest("record_outcomes(): never changes a minute that the guard may have read", async (sql) => {
  // Late, of the minute before, and of a clock that runs ahead: all in the minute that is open.
  await record(sql, [sum(MINUTE - 60), sum(MINUTE - 1), sum(MINUTE), sum(MINUTE + 5)]);
  assertEquals((await metrics(sql)).map(({ minute, n }) => [minute, n]), [[0, 8]]);
  // Within ten seconds of its end a minute still takes what is its own.
  await record(sql, [sum(MINUTE)], new Date((MINUTE + 1) * 60_000 + 9000));
  assertEquals((await metrics(sql)).map(({ minute, n }) => [minute, n]), [[0, 10]]);
  await record(sql, [sum(MINUTE)], new Date((MINUTE + 1) * 60_000 + 11_000));
  assertEquals((await metrics(sql)).map(({ minute, n }) => [minute, n]), [[0, 10], [1, 2]]);
  const [{ closed }] = await sql`
    select private.closed_minute(to_timestamp(${(MINUTE + 1) * 60 + 19}))::int - ${MINUTE}::int as closed`;
  assertEquals(closed, -1);
});

databaseTest("record_outcomes(): refuses invalid input as a whole", async (sql) => {
  for (
    const wrong of [
      sum(MINUTE, { arm: "both" }),
      sum(MINUTE, { failed: 3 }),
      sum(MINUTE, { timed: 3 }),
      sum(MINUTE, { ms: -1 }),
      sum(MINUTE, { le: [1, 2] }),
    ]
  ) {
    assertEquals(
      await refusal(record(sql, [sum(MINUTE, { flag: "other.enabled" }), wrong]).then(() => {})),
      "23514",
      JSON.stringify(wrong),
    );
  }
  assertEquals(await metrics(sql), []);
});

databaseTest("old outcomes are purged, recent ones stay", async (sql) => {
  await record(sql, [sum(MINUTE)]);
  const purge = async (days: number) =>
    (await sql`select private.purge_flag_metrics(${NOW}::timestamptz + make_interval(days => ${days})) as n`)[
      0
    ].n;
  assertEquals([await purge(59), await purge(61), await purge(61)], [0, 1, 0]);
});

interface StageForecast {
  name: string;
  per_minute: number | null;
  samples_needed: number;
  minutes_for_samples: number | null;
  minutes: number;
  passes: boolean;
  caught_after_minutes: Record<string, number | null> | null;
}

async function forecast(sql: Sql, plan: unknown, perMinute: number | null, failing: number | null) {
  const [{ answer }] = await sql`
    select public.forecast_rollout(${FLAG}, ${
    sql.json(plan as never)
  }, ${perMinute}, ${failing}, ${NOW}) as answer`;
  return answer as {
    per_minute: number | null;
    failure_rate: number | null;
    traffic: string;
    minutes: number;
    passes: boolean;
    stages: StageForecast[];
  };
}

const plan = (changes: Record<string, unknown> = {}) => ({
  stages: [
    { ...EVERYBODY, name: "half", percentage: 50, ...changes },
    EVERYBODY,
  ],
});
const EVERYBODY = {
  name: "all",
  percentage: 100,
  hold_minutes: 60,
  min_samples: 300,
  advance_when: { error_rate_below: 0.01 },
  roll_back_when: { error_rate_above: 0.02 },
};

databaseTest("forecast: at 2 requests per minute a stage of 300 samples needs 150 minutes", async (sql) => {
  const { stages, minutes, traffic } = await forecast(sql, plan(), 2, 0);
  assertEquals(
    stages.map(({ per_minute, samples_needed, minutes_for_samples }) => [
      per_minute,
      samples_needed,
      minutes_for_samples,
    ]),
    [[1, 300, 300], [2, 300, 150]],
  );
  assertEquals([minutes, traffic], [450, "given"]);
  // Nothing is shorter than its hold time.
  assertEquals((await forecast(sql, plan(), 1000, 0)).minutes, 120);
});

databaseTest("forecast: usual failures require more samples, or rule a stage out", async (sql) => {
  const needed = async (failing: number) => (await forecast(sql, plan(), 100, failing)).stages[1];
  assertEquals((await needed(0.001)).samples_needed, 473); // one failure in 473
  assertEquals((await needed(0.005)).samples_needed > 1000, true);
  const never = await needed(0.01);
  assertEquals([never.passes, never.samples_needed], [false, 300]);
  assertEquals((await forecast(sql, plan(), 100, 0.01)).passes, false);
});

databaseTest("forecast: uses the traffic of the last week, and claims nothing without it", async (sql) => {
  const unknown = await forecast(sql, { template: "canary" }, null, null);
  assertEquals([unknown.traffic, unknown.per_minute, unknown.stages[0].minutes_for_samples], [
    "unknown",
    null,
    null,
  ]);
  // Two hours of 4 a minute with the flag off, a tenth of them failures; and what is too old.
  for (let i = 1; i <= 120; i++) {
    await record(
      sql,
      [sum(MINUTE - i, { arm: "off", n: 4, failed: i % 5 === 0 ? 2 : 0 })],
      new Date((MINUTE - i) * 60_000 + 5000),
    );
  }
  await record(sql, [sum(MINUTE - 20_000)], new Date((MINUTE - 20_000) * 60_000));
  const known = await forecast(sql, plan({ advance_when: {} }), null, null);
  assertEquals(known.traffic, "measured");
  assert(Math.abs(known.per_minute! - 4) < 0.1, `${known.per_minute}`);
  assertEquals(known.failure_rate, 0.1);
  assertEquals(await refusal(forecast(sql, { stages: [] }, 1, 0).then(() => {})), "GL422");
});

databaseTest("forecast: its prediction for catching a failure matches the simulated guard", async (sql) => {
  const random = xorshift(5);
  for (const [percentage, on, off] of [[10, 10, 90], [25, 10, 30], [100, 10, 0]]) {
    const [{ answer }] = await sql`
      select private.forecast_stage(${sql.json({ ...EVERYBODY, percentage })}, ${FLAG}, ${
      on + off
    }, 0.005, ${NOW}) as answer`;
    const { caught_after_minutes: caught } = answer as StageForecast;
    for (const [label, failing] of [["20%", 0.2], ["5x", 0.1]] as const) {
      const watch = { control: off > 0, error_rate: 0.02, p95_ms: null, plain: null, no_errors: false };
      const times = Array.from({ length: 200 }, () => {
        const state = begin(1);
        const arms = {
          on: { perMinute: on, failing },
          ...(off > 0 ? { off: { perMinute: off, failing: 0.005 } } : {}),
        };
        for (const minute of minutesOfDay(random, arms, 400)) {
          if (take(watch, state, [span(minute)])?.verdict === "roll_back") return minute.minute + 2;
        }
        return 400;
      }).sort((a, b) => a - b);
      const median = times[100];
      const said = caught![label]!;
      assert(
        said <= median * 1.5 + 1 && said >= median / 1.5 - 1,
        `${percentage} %, ${label}: ${said}, not ${median}`,
      );
    }
    assert(caught!["2x"]! > caught!["5x"]!, "the smaller takes longer");
  }
});

databaseTest(
  "the clock runs the guard, schedules, notifications, the purge and all earlier jobs",
  async (sql) => {
    const jobs = await sql`select name, every_seconds, kind from private.clock_jobs()`;
    const named = Object.fromEntries(
      jobs.map(({ name, every_seconds, kind }) => [name, [every_seconds, kind]]),
    );
    assertEquals(named.gatelink_guard, [60, "sql"]);
    assertEquals(named.gatelink_flag_schedules, [60, "sql"]);
    assertEquals(named.gatelink_notify, [30, "http"]);
    for (
      const name of [
        "gatelink_drain",
        "gatelink_purge",
        "gatelink_purge_rate_limits",
        "gatelink_roll_up_clicks",
        "gatelink_purge_clicks",
        "gatelink_tidy_destinations",
      ]
    ) assert(name in named, name);
  },
);

databaseTest("schedule_clock(): gives pg_cron seconds, minutes and hours in its own syntax", async (sql) => {
  await sql.unsafe(`
    create schema cron;
    create table cron.job (jobname text primary key, schedule text, command text);
    create function cron.schedule(text, text, text) returns bigint language sql as
      'insert into cron.job values ($1, $2, $3) on conflict (jobname) do update set schedule = excluded.schedule returning 1::bigint';
    insert into pg_catalog.pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
      select 999999, 'pg_cron', 10, oid, false, '1' from pg_namespace where nspname = 'cron'`);
  await sql`select private.schedule_clock()`;
  const jobs = await sql`select jobname, schedule from cron.job`;
  const schedule = Object.fromEntries(jobs.map(({ jobname, schedule }) => [jobname, schedule]));
  assertEquals(
    [schedule.gatelink_notify, schedule.gatelink_guard, schedule.gatelink_roll_up_clicks],
    ["30 seconds", "*/1 * * * *", "0 * * * *"],
  );
});
