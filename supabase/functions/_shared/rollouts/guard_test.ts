import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import { begin, type State, take, type Watch } from "./guard.ts";
import { ALARM } from "./series.ts";
import { type Counts, none, span } from "./minutes.ts";
import { type Criteria, progress } from "./progress.ts";

const ERRORS: Watch = { control: true, error_rate: 0.01, p95_ms: null, plain: null, no_errors: false };
const PLAIN: Watch = {
  ...ERRORS,
  error_rate: null,
  plain: { minutes: 5, min_samples: 20, error_rate: 0.2, mean_ms: null },
};

const minute = (minute: number, on: Partial<Counts>, off: Partial<Counts> = {}) =>
  span({ minute, on: { ...none(), ...on }, off: { ...none(), ...off } });

/** A fifth of a hundred fail. */
const BAD = { n: 100, failed: 20 };
const NOTHING = { n: 0, failed: 0, timed: 0, late: 0 };

Deno.test("take() compares with a control of at least a twentieth; with a smaller one there is none, and nobody is blamed", () => {
  assertEquals(take(ERRORS, begin(1), [minute(1, BAD, { n: 5 })]), undefined);
  for (const off of [{}, { n: 4 }]) {
    assertEquals(take(ERRORS, begin(1), [minute(1, BAD, off)]), {
      verdict: "page",
      rule: "error_rate_no_control",
      minute: 1,
    });
  }
  assertEquals(take({ ...ERRORS, control: false }, begin(1), [minute(1, BAD, { n: 1000 })]), {
    verdict: "roll_back",
    rule: "error_rate_absolute",
    minute: 1,
  });
});

Deno.test("take() counts nothing towards advancing while too many fail, and pages if that continues", () => {
  const state = begin(1);
  assertEquals(take(ERRORS, state, [minute(1, BAD, { n: 5 })]), undefined);
  assert(Math.max(...state.errors.absolute) >= ALARM);
  assertEquals([state.since, state.seen], [2, NOTHING]);
  assertEquals(take(ERRORS, state, [minute(2, BAD, { n: 5 })]), {
    verdict: "page",
    rule: "error_rate_unclear",
    minute: 2,
  });
  assertEquals([state.since, state.window, state.seen], [3, 3, NOTHING]);
  assertEquals(Math.max(...state.errors.absolute), 0);
});

Deno.test("take() calls an incident shared if the control fails too", () => {
  const alarm = take(ERRORS, begin(1), [minute(1, BAD, BAD)]);
  assertEquals(alarm, { verdict: "page", rule: "error_rate_absolute", minute: 1 });
});

Deno.test("take() restarts the stage at a failure if none is allowed, and forgets none", () => {
  const state = begin(1);
  const watch = { ...ERRORS, error_rate: 0.05, no_errors: true };
  assertEquals(take(watch, state, [minute(1, { n: 10 }), minute(2, { n: 10, failed: 1 })]), undefined);
  assertEquals([state.since, state.seen], [3, NOTHING]);
  assert(Math.max(...state.errors.absolute) > 0);
});

Deno.test("take() does not penalise quiet hours: S falls to 0, and no further", () => {
  const state = begin(1);
  take(ERRORS, state, [minute(1, { n: 5000 }), minute(2, { n: 10, failed: 1 })]);
  assert(state.errors.absolute[4] > 0);
});

Deno.test("take() applies a plain threshold with enough samples, pages for shared failures, and restarts", () => {
  const bad = { n: 20, failed: 5 };
  assertEquals(take(PLAIN, begin(1), [minute(1, { n: 19, failed: 19 })]), undefined);
  assertEquals(take(PLAIN, begin(1), [minute(1, { n: 20, failed: 4 })]), undefined);
  assertEquals(take(PLAIN, begin(1), [minute(1, bad, { n: 20, failed: 4 })]), {
    verdict: "roll_back",
    rule: "error_rate_plain",
    minute: 1,
  });
  const state = begin(1);
  assertEquals(take(PLAIN, state, [minute(1, bad, bad)])?.verdict, "page");
  assertEquals([state.since, state.window, state.seen], [2, 2, NOTHING]);
  // What is older than five minutes no longer counts, nor does the incident.
  const few = { n: 10, failed: 5 };
  assertEquals(take(PLAIN, begin(1), [minute(1, few), minute(6, few)]), undefined);
  assertEquals(take(PLAIN, begin(1), [minute(1, few), minute(5, few)])?.rule, "error_rate_plain");
  assertEquals(take(PLAIN, state, [minute(1, bad, bad), minute(2, few)]), undefined);
});

Deno.test("progress() says advance if the stage is complete, and otherwise what is missing", () => {
  const criteria: Criteria = {
    hold_minutes: 60,
    min_samples: 300,
    error_rate: 0.01,
    p95_ms: 400,
    percentage: null,
  };
  const seen = { n: 1000, failed: 1, timed: 1000, late: 10 };
  const cases: [after: number, state: Partial<State>, said: string][] = [
    [60, {}, "advance"],
    [59.99, {}, "hold_time"],
    [60, { since: 2 }, "hold_time"],
    [61, { since: 2 }, "advance"],
    [60, { seen: { ...seen, n: 0 } }, "no_data"],
    [60, { heard: 31 }, "advance"],
    [60, { heard: 30 }, "no_data"],
    [60, { seen: { ...seen, n: 299, failed: 0 } }, "samples"],
    [60, { seen: { ...seen, n: 300, failed: 0 } }, "advance"],
    [60, { seen: { ...seen, failed: 9 } }, "error_rate"],
    [60, { seen: { ...seen, late: 49 } }, "p95"],
    [60, { seen: { ...seen, timed: 0, late: 0 } }, "p95"],
  ];
  for (const [after, changed, said] of cases) {
    const state = { ...begin(1), heard: 61, seen, ...changed };
    const result = progress(criteria, state, 60_000, 60_000 + after * 60_000);
    assertEquals(
      result.verdict === "hold" ? result.reason : result.verdict,
      said,
      JSON.stringify([after, changed]),
    );
  }
  const careless = { ...criteria, error_rate: null, p95_ms: null };
  const failing = { ...begin(1), heard: 61, seen: { ...seen, failed: 999, late: 999 } };
  assertEquals(progress(careless, failing, 60_000, 3_660_000), { verdict: "advance" });
  // A quarter of a longer stage may be silent.
  const long = { ...criteria, hold_minutes: 600 };
  const silent = (heard: number) =>
    progress(long, { ...begin(1), heard, seen }, 60_000, 601 * 60_000).verdict;
  assertEquals([silent(451), silent(450)], ["advance", "hold"]);
});
