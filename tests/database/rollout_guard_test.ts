/** The guard in SQL and in TypeScript: the same states, paths and verdicts, to the last digit. */
import { assert, assertEquals } from "../support/assert.ts";
import {
  type Alarm,
  begin,
  type Point,
  type State,
  take,
  type Watch,
} from "../../supabase/functions/_shared/rollouts/guard.ts";
import { type Criteria, progress } from "../../supabase/functions/_shared/rollouts/progress.ts";
import { type Minute, span } from "../../supabase/functions/_shared/rollouts/minutes.ts";
import { chanceOfSoFew, surelyBelow } from "../../supabase/functions/_shared/rollouts/confidence.ts";
import { EDGES_MS } from "../../supabase/functions/_shared/rollouts/latency.ts";
import { spanOf, type SpanRow } from "../../supabase/functions/_shared/rollouts/replay.ts";
import type { Sql } from "postgres";
import { databaseTest } from "../support/database.ts";
import { casesOf } from "../support/property.ts";
import { writeMinutes } from "../support/rollouts.ts";
import {
  LATE_MS,
  MEAN_MS,
  minutesOfDay,
  SLOW_MS,
  type Traffic,
  xorshift,
} from "../support/rollout_traffic.ts";

Deno.test("surelyBelow(): equals the published Clopper-Pearson table: 1 % with 0, 1, 2, 3 failures", () => {
  for (const [failed, n] of [[0, 299], [1, 473], [2, 628], [3, 773]]) {
    assertEquals(
      [surelyBelow(failed, n, 0.01), surelyBelow(failed, n - 1, 0.01)],
      [true, false],
      `${failed} of ${n}`,
    );
  }
  assertEquals(surelyBelow(0, 0, 0.01), false);
});

databaseTest("the counted latencies are the same in SQL", async (sql) => {
  const [{ edges }] = await sql`select private.latency_edges() as edges`;
  assertEquals(edges, EDGES_MS);
});

databaseTest("chance_of_so_few(): equals TypeScript's, and underflow does not stop it", async (sql) => {
  const random = xorshift(20_261_121);
  const cases = Array.from({ length: 2000 }, () => {
    const n = Math.floor(10 ** (random() * 6)) + 1;
    const p = [0.001, 0.005, 0.01, 0.05, random() * 0.5 + 0.0001][Math.floor(random() * 5)];
    const k = Math.floor(Math.min(n, n * p * random() * 1.5));
    return { k, n, p, chance: chanceOfSoFew(k, n, p) };
  });
  const [{ same }] = await sql`
    select count(*) filter (where private.chance_of_so_few(k, n, p) = chance)::int as same
    from jsonb_to_recordset(${
    JSON.stringify(cases)
  }::text::jsonb) as c (k bigint, n bigint, p float8, chance bigint)`;
  assertEquals(same, cases.length);
  assert(
    cases.some(({ chance }) => chance > 0 && chance < 50_000) && cases.some(({ chance }) => chance === 0),
  );
});

const PLAIN = { minutes: 5, min_samples: 20, error_rate: 0.2, mean_ms: MEAN_MS };
const BASE: Watch = { control: true, error_rate: 0.01, p95_ms: SLOW_MS, plain: null, no_errors: false };

/** A watch and a day; together they come to every kind of end. */
const DAYS: [label: string, Watch, Traffic][] = [
  ["healthy", BASE, { on: { perMinute: 10, failing: 0.005 }, off: { perMinute: 30, failing: 0.005 } }],
  ["bursts", BASE, {
    on: { perMinute: 10, failing: 0.01, burst: 3 },
    off: { perMinute: 30, failing: 0.01, burst: 3 },
  }],
  ["the flag's fault", BASE, { on: { perMinute: 10, failing: 0.2 }, off: { perMinute: 30, failing: 0.005 } }],
  ["shared", BASE, { on: { perMinute: 10, failing: 0.05 }, off: { perMinute: 30, failing: 0.05 } }],
  ["slow", BASE, {
    on: { perMinute: 10, failing: 0, slow: 0.3 },
    off: { perMinute: 30, failing: 0, slow: 0.02 },
  }],
  ["slow for all", BASE, {
    on: { perMinute: 10, failing: 0, slow: 0.3 },
    off: { perMinute: 30, failing: 0, slow: 0.3 },
  }],
  ["for everybody", { ...BASE, control: false }, { on: { perMinute: 20, failing: 0.05 } }],
  ["slow for everybody", { ...BASE, control: false }, { on: { perMinute: 20, failing: 0, slow: 0.2 } }],
  ["plain errors", { ...BASE, error_rate: null, p95_ms: null, plain: PLAIN }, {
    on: { perMinute: 8, failing: (m) => m > 30 ? 0.4 : 0.01 },
    off: { perMinute: 8, failing: 0.01 },
  }],
  ["plain mean, shared", { ...BASE, error_rate: null, p95_ms: null, plain: { ...PLAIN, error_rate: null } }, {
    on: { perMinute: 8, failing: 0.01, slow: 0.3 },
    off: { perMinute: 8, failing: 0.01, slow: 0.3 },
  }],
  ["no errors", { ...BASE, error_rate: 0.05, p95_ms: null, no_errors: true }, {
    on: { perMinute: 1.5, failing: 0.01 },
    off: { perMinute: 50, failing: 0.004 },
  }],
  ["nearly slow", { ...BASE, p95_ms: null }, {
    on: { perMinute: 10, failing: 0, slow: 0.045 },
    off: { perMinute: 30, failing: 0, slow: 0.045 },
  }],
  ["too little without the flag", BASE, {
    on: { perMinute: 20, failing: 0.2 },
    off: { perMinute: 3, failing: 0 },
  }],
  ["slow, too little without the flag", BASE, {
    on: { perMinute: 20, failing: 0, slow: 0.3 },
    off: { perMinute: 3, failing: 0, slow: 0 },
  }],
  ["nobody without the flag", BASE, {
    on: { perMinute: 20, failing: 0.2 },
    off: { perMinute: 0, failing: 0 },
  }],
  ["one person again and again", BASE, {
    on: { perMinute: 9, failing: 0.001, tormented: true },
    off: { perMinute: 90, failing: 0.001 },
  }],
  ["fell silent", BASE, {
    on: { perMinute: (minute) => minute < 320 ? 10 : 0, failing: 0.001 },
    off: { perMinute: 10, failing: 0.001 },
  }],
  ["lost", BASE, { on: { perMinute: 2, failing: 0.001 }, off: { perMinute: 50, failing: 0.001 } }],
  ["silent", BASE, { on: { perMinute: 0, failing: 0 }, off: { perMinute: 30, failing: 0.005 } }],
  ["next to nothing", BASE, { on: { perMinute: 0.05, failing: 0.1 }, off: { perMinute: 0.3, failing: 0.1 } }],
  ["busy", BASE, { on: { perMinute: 300, failing: 0.009 }, off: { perMinute: 500, failing: 0.008 } }],
  ["control lost", BASE, {
    on: { perMinute: 10, failing: 0.001 },
    off: { perMinute: (minute) => minute < 320 ? 10 : 0, failing: 0.001 },
  }],
  ["a slow fault", BASE, { on: { perMinute: 10, failing: 0.04 }, off: { perMinute: 12, failing: 0.006 } }],
];

interface Taken {
  state: State;
  alarm: Alarm | null;
  minutes: SpanRow[];
  path: Point[];
}

/** `private.guard_take` up to a minute. */
async function taking(sql: Sql, flag: string, watch: Watch, state: State, to: number): Promise<Taken> {
  const [taken] = await sql<Taken[]>`
    select * from private.guard_take(
      ${flag}, ${sql.json(watch as never)}, ${LATE_MS}, ${sql.json(state as never)}, ${to})`;
  return taken;
}

/** Minutes without an outcome have no row. */
const some = ({ on, off }: Minute) => on.n + off.n > 0;

databaseTest("guard_take() and guard_progress(): equal TypeScript's over many kinds of days", async (sql) => {
  const random = xorshift(4);
  const ends = new Set<string>();
  let [spans, minutes] = [0, 0];
  for (const [label, watch, traffic] of DAYS) {
    const day = [...minutesOfDay(random, traffic, 600)];
    await writeMinutes(sql, label, day);
    const criteria: Criteria = {
      hold_minutes: 300,
      min_samples: 100,
      error_rate: 0.01,
      p95_ms: LATE_MS,
      percentage: label.endsWith("lost") ? 50 : null,
    };
    let [inSql, inTs] = [begin(1), begin(1)];
    // In pieces, as the clock comes, and several times where an incident ended one early.
    for (let to = 7; inTs.minute < 600; to += 1 + Math.floor(random() * 120)) {
      const until = Math.min(to, 600);
      const taken = await taking(sql, label, watch, inSql, until);
      inSql = taken.state;
      const before = structuredClone(inTs);
      const from = inTs.minute;
      const alarm = take(watch, inTs, day.filter(({ minute }) => minute <= until).filter(some).map(span));
      assertEquals(taken.alarm, alarm ?? null, `${label} up to ${until}`);
      assertEquals(taken.state, inTs, `${label} up to ${until}`);
      // From SQL's spans, in which quiet minutes are taken together, it comes to the same, and along the same path.
      const path: Point[] = [];
      const replayed = take(watch, before, taken.minutes.map(spanOf), path);
      assertEquals(
        [replayed ?? null, before],
        [taken.alarm, taken.state],
        `${label}: replayed up to ${until}`,
      );
      assertEquals(taken.path, path, `${label} up to ${until}`);
      spans += taken.path.length;
      minutes += day.filter(({ minute }) => minute > from && minute <= inTs.minute).length;
      const now = (until + 1) * 60_000;
      const [{ said }] = await sql`
        select private.guard_progress(${sql.json(criteria as never)}, ${
        sql.json(inSql as never)
      }, 60000, ${now}) as said`;
      const decided = progress(criteria, inTs, 60_000, now);
      assertEquals(said, decided, `${label} at ${until}`);
      ends.add(decided.verdict === "advance" ? "advance" : decided.reason);
      if (alarm) {
        ends.add(`${alarm.verdict} ${alarm.rule}`);
        if (alarm.verdict === "roll_back") break;
        to = inTs.minute;
      }
      if (until === 600) break;
    }
  }
  assert(spans < 0.7 * minutes, `${spans} spans of ${minutes} minutes: quiet ones are taken together`);
  assertEquals([...ends].sort(), [
    "advance",
    "control_silent",
    "error_rate",
    "hold_time",
    "no_data",
    "p95",
    "page error_rate_absolute",
    "page error_rate_no_control",
    "page error_rate_unclear",
    "page mean_plain",
    "page p95_absolute",
    "page p95_no_control",
    "page p95_unclear",
    "roll_back error_rate_absolute",
    "roll_back error_rate_plain",
    "roll_back error_rate_relative",
    "roll_back mean_plain",
    "roll_back p95_absolute",
    "roll_back p95_relative",
    "sample_ratio",
    "samples",
    "silent",
  ]);
});

databaseTest("guard_take(): a sample of simulated days ends as in TypeScript", async (sql) => {
  const random = xorshift(12);
  const runs = casesOf(10, 3);
  const kinds: [rolledBack: (n: number) => boolean, Traffic][] = [
    [(n) => n === 0, { on: { perMinute: 10, failing: 0.005 }, off: { perMinute: 30, failing: 0.005 } }],
    [(n) => n === runs, { on: { perMinute: 10, failing: 0.2 }, off: { perMinute: 30, failing: 0.005 } }],
    [(n) => n === 0, { on: { perMinute: 10, failing: 0.05 }, off: { perMinute: 30, failing: 0.05 } }],
  ];
  for (const [i, [expected, traffic]] of kinds.entries()) {
    let rolledBack = 0;
    for (let run = 0; run < runs; run++) {
      const flag = `${i}.${run}`;
      const day = [...minutesOfDay(random, traffic, 720)];
      await writeMinutes(sql, flag, day);
      const [inTs, inSql] = [endOf(day), await endOnSql(sql, flag)];
      assertEquals(inSql, inTs, flag);
      if (inTs.at(-1)?.startsWith("roll_back")) rolledBack++;
    }
    assert(expected(rolledBack), `${rolledBack} of kind ${i} were rolled back`);
  }
});

function endOf(day: Minute[]): string[] {
  const state = begin(1);
  const ends: string[] = [];
  for (;;) {
    const alarm = take(BASE, state, day.filter(some).map(span));
    if (alarm === undefined) return ends;
    ends.push(`${alarm.verdict} ${alarm.rule} ${alarm.minute}`);
    assert(ends.length < 3000, "the alarms of a day end");
    if (alarm.verdict === "roll_back") return ends;
  }
}

async function endOnSql(sql: Sql, flag: string): Promise<string[]> {
  const ends: string[] = [];
  for (let state = begin(1);;) {
    const taken = await taking(sql, flag, BASE, state, 720);
    state = taken.state;
    if (taken.alarm === null) return ends;
    ends.push(`${taken.alarm.verdict} ${taken.alarm.rule} ${taken.alarm.minute}`);
    assert(ends.length < 3000, "the alarms of a day end");
    if (taken.alarm.verdict === "roll_back") return ends;
  }
}
