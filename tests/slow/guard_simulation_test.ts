/**
 * What the guard of rollouts does in the long run: whole days of traffic, made by a seeded generator on a clock of their
 * own. The same days on SQL, fewer of them, are in tests/database/rollout_guard_test.ts.
 */
import { assert, assertEquals } from "../support/assert.ts";
import { begin, take, type Watch } from "../../supabase/functions/_shared/rollouts/guard.ts";
import { type Counts, type Minute, none, span } from "../../supabase/functions/_shared/rollouts/minutes.ts";
import { progress } from "../../supabase/functions/_shared/rollouts/progress.ts";
import { createOutcomes } from "../../supabase/functions/_shared/rollouts/outcomes.ts";
import { minutesOfDay, type Traffic, xorshift } from "../support/rollout_traffic.ts";

const DAY = 1440;

/** A stage of 1 % and 1,000 ms with a control beside it. */
const WATCH: Watch = { control: true, error_rate: 0.01, p95_ms: 1000, plain: null, no_errors: false };

interface Outcome {
  /** Minute of the rollback, from 1; undefined when there was none. */
  rolledBackAt?: number;
  rule?: string;
  pages: number;
  /** Rules of the pages before. */
  paged: string[];
}

/** Runs one rollout over minutes as they come. */
function run(watch: Watch, minutes: Iterable<Minute>): Outcome {
  const state = begin(1);
  const paged: string[] = [];
  const end = (outcome: Partial<Outcome>): Outcome => ({ ...outcome, pages: paged.length, paged });
  for (const minute of minutes) {
    const alarm = take(watch, state, [span(minute)]);
    if (alarm?.verdict === "roll_back") return end({ rolledBackAt: minute.minute, rule: alarm.rule });
    if (alarm) paged.push(alarm.rule);
  }
  return end({});
}

function runs(count: number, seed: number, watch: Watch, traffic: Traffic, minutes = DAY): Outcome[] {
  const random = xorshift(seed);
  return Array.from({ length: count }, () => run(watch, minutesOfDay(random, traffic, minutes)));
}

const rolledBack = (outcomes: Outcome[]) => outcomes.filter(({ rolledBackAt }) => rolledBackAt !== undefined);
const within = (outcomes: Outcome[], minutes: number) =>
  outcomes.filter(({ rolledBackAt }) => rolledBackAt !== undefined && rolledBackAt <= minutes).length;

Deno.test("guard: of 1,000 healthy days at 10 requests a minute at most 1 % are rolled back", () => {
  const outcomes = runs(1000, 1, WATCH, {
    on: { perMinute: 10, failing: 0.005 },
    off: { perMinute: 30, failing: 0.005 },
  });
  assert(rolledBack(outcomes).length <= 10, `${rolledBack(outcomes).length} of 1000`);
});

Deno.test("guard: of 1,000 healthy days for everybody, without a control, at most 1 % are rolled back", () => {
  const watch = { ...WATCH, control: false };
  const outcomes = runs(1000, 2, watch, { on: { perMinute: 10, failing: 0.005 } });
  assert(rolledBack(outcomes).length <= 10, `${rolledBack(outcomes).length} of 1000`);
});

Deno.test("guard: of 1,000 healthy days with failures in groups of three at most 1 % are rolled back", () => {
  for (const [seed, control] of [[3, true], [4, false]] as const) {
    const outcomes = runs(1000, seed, { ...WATCH, control }, {
      on: { perMinute: 10, failing: 0.005, burst: 3 },
      ...(control ? { off: { perMinute: 30, failing: 0.005, burst: 3 } } : {}),
    });
    assert(rolledBack(outcomes).length <= 10, `${rolledBack(outcomes).length} of 1000, control ${control}`);
  }
});

Deno.test("guard: the same if most of those failures hit people without the flag", () => {
  const outcomes = runs(300, 33, { ...WATCH, p95_ms: null }, {
    on: { perMinute: 1, failing: 0.005, burst: 3 },
    off: { perMinute: 99, failing: 0.005, burst: 3 },
  });
  assert(rolledBack(outcomes).length <= 3, `${rolledBack(outcomes).length} of 300`);
});

Deno.test("guard: a person who tries three times in a minute counts once", async () => {
  const sent: { n: number; failed: number }[] = [];
  const outcomes = createOutcomes({
    send: (sums) => Promise.resolve(void sent.push(...sums)),
    now: () => 60_000 * 29_000_000,
    delayMs: 0,
  });
  for (let i = 0; i < 3; i++) outcomes.outcome("x.enabled", "on", "u1", { failed: true });
  outcomes.outcome("x.enabled", "on", "u2", { failed: false });
  outcomes.outcome("y.enabled", "on", "u1", { failed: false });
  await outcomes.flush();
  assertEquals(sent.map(({ n, failed }) => [n, failed]), [[2, 1], [1, 0]]);
});

Deno.test("guard: a canary with 20 % failures is rolled back within 15 minutes in 95 % of runs", () => {
  for (
    const [label, off] of [["at 10 %", 90], ["at 25 %", 30], ["at 50 %", 10], [
      "for everybody",
      undefined,
    ]] as const
  ) {
    const watch = { ...WATCH, control: off !== undefined };
    const outcomes = runs(1000, 5, watch, {
      on: { perMinute: 10, failing: 0.2 },
      ...(off === undefined ? {} : { off: { perMinute: off, failing: 0.005 } }),
    }, 60);
    assert(within(outcomes, 15) >= 950, `${label}: ${within(outcomes, 15)} of 1000 within 15 minutes`);
  }
});

Deno.test("guard: failures that begin after half a day are rolled back as fast, with and without a control", () => {
  for (const control of [true, false]) {
    const outcomes = runs(200, 6, { ...WATCH, control }, {
      on: { perMinute: 10, failing: (minute) => minute > 720 ? 0.2 : 0.005 },
      ...(control ? { off: { perMinute: 30, failing: 0.005 } } : {}),
    }, 780);
    const early = within(outcomes, 720);
    assert(early <= 2, `${early} before it failed`);
    assert(within(outcomes, 735) - early >= 190, `${within(outcomes, 735) - early} of 200 within 15 minutes`);
  }
});

Deno.test("guard: if both arms fail at 5 %, somebody is paged, and the flag is never blamed", () => {
  for (const [seed, off] of [[7, 10], [8, 90]] as const) {
    const watch = { ...WATCH, p95_ms: null };
    const outcomes = runs(300, seed, watch, {
      on: { perMinute: 10, failing: 0.05 },
      off: { perMinute: off, failing: 0.05 },
    });
    assertEquals(rolledBack(outcomes), []);
    assert(outcomes.every(({ pages }) => pages > 0), "somebody was not paged");
  }
});

Deno.test("guard: no shared incident is reported while the control is healthy", () => {
  for (const [seed, failing] of [[13, 0.2], [14, 0.05]] as const) {
    const outcomes = runs(300, seed, WATCH, {
      on: { perMinute: 10, failing },
      off: { perMinute: 10, failing: 0 },
    }, 240);
    assert(rolledBack(outcomes).length >= 297, `${rolledBack(outcomes).length} of 300 at ${failing}`);
    assertEquals(outcomes.flatMap(({ paged }) => paged).filter((rule) => rule.endsWith("_absolute")), []);
  }
});

Deno.test("guard: if the control is too small, somebody is paged to look", () => {
  const outcomes = runs(300, 15, WATCH, {
    on: { perMinute: 10, failing: 0.2 },
    off: { perMinute: 1, failing: 0 },
  }, 30);
  const told = outcomes.filter(({ rolledBackAt, paged }) =>
    rolledBackAt || paged[0] === "error_rate_unclear" || paged[0] === "error_rate_no_control"
  );
  assert(told.length >= 297, `${told.length} of 300 within 30 minutes`);
});

Deno.test("guard: a slower p95 is detected like failures, and blamed on the flag only if that arm alone is slow", () => {
  const slowed = runs(300, 9, WATCH, {
    on: { perMinute: 10, failing: 0.002, slow: 0.2 },
    off: { perMinute: 90, failing: 0.002, slow: 0.02 },
  }, 60);
  assert(within(slowed, 15) >= 285, `${within(slowed, 15)} of 300 within 15 minutes`);
  assert(rolledBack(slowed).every(({ rule }) => rule === "p95_relative"));
  const everybody = runs(300, 10, { ...WATCH, control: false }, {
    on: { perMinute: 10, failing: 0.002, slow: 0.3 },
  }, 60);
  assert(within(everybody, 15) >= 285, `${within(everybody, 15)} of 300 within 15 minutes`);
  const both = runs(100, 11, WATCH, {
    on: { perMinute: 10, failing: 0.002, slow: 0.2 },
    off: { perMinute: 90, failing: 0.002, slow: 0.2 },
  });
  assertEquals(rolledBack(both), []);
  assert(both.every(({ pages }) => pages > 0));
});

Deno.test("guard: a plain threshold acts at once, but not on few samples or on what both arms share", () => {
  const minute = (minute: number, on: Partial<Counts>, off: Partial<Counts> = {}): Minute => ({
    minute,
    on: { ...none(), ...on },
    off: { ...none(), ...off },
  });
  const watching = (plain: Partial<NonNullable<Watch["plain"]>>, control = true): Watch => ({
    control,
    error_rate: null,
    p95_ms: null,
    plain: { minutes: 5, min_samples: 20, error_rate: null, mean_ms: null, ...plain },
    no_errors: false,
  });
  const verdict = (watch: Watch, minutes: Minute[]) => take(watch, begin(1), minutes.map(span));
  const failing = watching({ error_rate: 0.2 });
  const bad = { n: 10, failed: 4 }, good = { n: 10 };
  assertEquals(verdict(failing, [minute(1, bad, good), minute(2, bad, good)]), {
    verdict: "roll_back",
    rule: "error_rate_plain",
    minute: 2,
  });
  assertEquals(verdict(failing, [minute(1, bad, bad), minute(2, bad, bad)])?.verdict, "page");
  assertEquals(verdict(failing, [minute(1, bad), minute(2, bad)])?.verdict, "page", "nobody without it");
  const again = { n: 10, failed: 4, again: 4 };
  assertEquals(
    verdict(failing, [minute(1, again, good), minute(2, again, good)]),
    undefined,
    "the same people",
  );

  // A mean has to stay there for as long as the other arm may be late.
  const mean = watching({ mean_ms: 500 });
  const slow = { n: 10, timed: 10, ms: 6000 }, fast = { n: 10, timed: 10, ms: 1000 };
  const minutes = (count: number, on: Partial<Counts>, off: Partial<Counts>) =>
    Array.from({ length: count }, (_, i) => minute(i + 1, on, off));
  assertEquals(verdict(mean, minutes(6, slow, fast)), undefined);
  assertEquals(verdict(mean, minutes(7, slow, fast)), {
    verdict: "roll_back",
    rule: "mean_plain",
    minute: 7,
  });
  assertEquals(verdict(watching({ mean_ms: 500 }, false), minutes(2, slow, {}))?.verdict, "roll_back");
  assertEquals(verdict(mean, minutes(2, slow, slow))?.verdict, "page");
  const few = { n: 3, timed: 3, ms: 3000 };
  assertEquals(verdict(mean, minutes(5, few, few)), undefined);
  // What is older than the window no longer counts.
  assertEquals(
    verdict(watching({ mean_ms: 500 }, false), [minute(1, slow), minute(6, slow), minute(7, fast)]),
    undefined,
  );
});

Deno.test("guard: a stage never ends without traffic, nor after traffic has stopped", () => {
  const criteria = { hold_minutes: 30, min_samples: 0, error_rate: 0.01, p95_ms: null, percentage: null };
  const state = begin(1);
  for (const hours of [1, 24, 24 * 365]) {
    assertEquals(progress(criteria, state, 60_000, hours * 3_600_000), {
      verdict: "hold",
      reason: "no_data",
    });
  }
  take(WATCH, state, [span({ minute: 5, on: { ...none(), n: 1000, timed: 1000 }, off: none() })]);
  assertEquals(progress(criteria, state, 60_000, 31 * 60_000), { verdict: "advance" });
  assertEquals(progress(criteria, state, 60_000, 40 * 60_000), { verdict: "hold", reason: "no_data" });
});
