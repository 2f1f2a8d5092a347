import { assertEquals, assertMatch } from "../../../../../tests/support/assert.ts";
import { adviceInWords, type EventFacts, eventInWords } from "./rollouts.ts";

const SHARED = ", with the flag and without it: a shared incident, the flag is not to blame";

/** Kind, rule, verdict, figures, what happened. */
const EVENTS: [string, string | null, string | null, EventFacts["figures"], string][] = [
  [
    "created",
    null,
    null,
    { flag: "a.enabled", plan: "canary" },
    "a rollout of a.enabled with the plan canary was created",
  ],
  [
    "started",
    null,
    null,
    { plan: "canary", stage: "beta", percentage: 12.5 },
    "the rollout by the plan canary began with beta (12.5 %)",
  ],
  [
    "advanced",
    "criteria_met",
    "advance",
    { stage: "beta", percentage: 10, paused: false },
    "beta (10 %) began",
  ],
  [
    "advanced",
    "by_hand",
    null,
    { stage: "beta", percentage: 10, paused: true },
    "beta (10 %) began, and it stays paused",
  ],
  ["paused", null, null, { stage: "beta" }, "paused at beta"],
  ["resumed", null, null, { stage: "beta" }, "resumed: beta restarts"],
  ["completed", "criteria_met", "advance", {}, "completed: on for everybody"],
  ["completed", "by_hand", null, { early: true }, "completed by hand: on for everybody"],
  ["rolled_back", "by_hand", null, {}, "rolled back by hand: the flag is off"],
  [
    "rolled_back",
    "database_errors",
    "roll_back",
    { green: 3, blue: 0 },
    "3 calls of the database failed in green, none in blue: everybody is back on blue",
  ],
  [
    "paged",
    "database_errors",
    "page",
    { green: 3, blue: 2 },
    "calls of the database fail in green (3) and in blue (2)",
  ],
  [
    "rolled_back",
    "memory_growth",
    "roll_back",
    { green: 12.5, blue: 0.1, minutes: 10 },
    "the memory of green grows by 12.5 MB a minute: everybody is back on blue",
  ],
  [
    "paged",
    "memory_growth",
    "page",
    { green: 12.5, blue: 11, minutes: 10 },
    "the memory of green grows by 12.5 MB a minute and that of blue by 11 MB",
  ],
  [
    "paged",
    "connections",
    "page",
    { used: 85, most: 100 },
    "85 of 100 connections of the database are in use",
  ],
  [
    "paged",
    "elevated_errors",
    "page",
    { failed: 4, n: 500, error_rate: 0.005 },
    "4 of 500 requests failed in green, more than 0.5 % and more than in blue",
  ],
  [
    "paged",
    "elevated_latency",
    "page",
    { mean: 230, mean_ms: 200 },
    "requests take 230 ms on average in green, more than 200 ms and more than in blue",
  ],
  ["rolled_back", "flag_off_by_hand", null, {}, "rolled back: the flag was turned off by hand"],
  [
    "rolled_back",
    "error_rate_relative",
    "roll_back",
    {},
    "more fail with the flag on than without it: the flag is off",
  ],
  [
    "rolled_back",
    "p95_relative",
    "roll_back",
    { p95_ms: 1000 },
    "more take longer than 1000 ms with the flag on than without it: the flag is off",
  ],
  [
    "rolled_back",
    "error_rate_plain",
    "roll_back",
    { error_rate: 0.005, minutes: 5 },
    "more than 0.5 % failed within 5 minutes: the flag is off",
  ],
  [
    "paged",
    "mean_plain",
    "page",
    { mean_ms: 500, minutes: 5 },
    `the mean was above 500 ms for 5 minutes${SHARED}`,
  ],
  [
    "rolled_back",
    "error_rate_absolute",
    "roll_back",
    { error_rate: 0.07 },
    "more than 7 % fail: the flag is off",
  ],
  ["paged", "error_rate_absolute", "page", { error_rate: 0.02 }, `more than 2 % fail${SHARED}`],
  [
    "paged",
    "error_rate_unclear",
    "page",
    { error_rate: 0.02 },
    "more than 2 % fail with the flag on, and it is not clear whether it is the flag",
  ],
  [
    "held",
    "proof",
    "hold",
    { org: "moss", without_number: 0, without_client: 1, without_front_desk: 0, without_thread: 2 },
    "the stage has lasted long enough, but of the organisation moss 1 threads lack their client, 2 people who wrote have no thread",
  ],
  ["paged", "p95_absolute", "page", { p95_ms: 400 }, `the p95 is above 400 ms${SHARED}`],
  [
    "paged",
    "p95_unclear",
    "page",
    { p95_ms: 400 },
    "the p95 is above 400 ms with the flag on, and it is not clear whether it is the flag",
  ],
  [
    "paged",
    "overdue",
    "page",
    { stage: "25 %", overdue_minutes: 4320 },
    "25 % has lasted longer than 72 hours",
  ],
  [
    "paged",
    "overdue",
    "page",
    { stage: "25 %", overdue_minutes: 200 },
    "25 % has lasted longer than 3.33 hours",
  ],
  [
    "paged",
    "flag_changed_by_hand",
    "page",
    { set_to: 75, percentage: 25 },
    "paused: the flag was set to 75 % by hand, the stage has 25 %",
  ],
  [
    "paged",
    "flag_changed_by_hand",
    "page",
    { set_to: null, percentage: 25 },
    "paused: the flag was set to its targets alone by hand, the stage has 25 %",
  ],
  [
    "paged",
    "guard_failed",
    "page",
    { error: "division by zero", sqlstate: "22012" },
    "the guard failed: division by zero (22012)",
  ],
  ["held", "no_data", "hold", {}, "the stage has lasted long enough, but nobody has used the feature lately"],
  [
    "held",
    "samples",
    "hold",
    { n: 12, min_samples: 300 },
    "the stage has lasted long enough, but there are 12 outcomes of 300",
  ],
  [
    "held",
    "error_rate",
    "hold",
    { failed: 3, n: 400, error_rate: 0.005 },
    "the stage has lasted long enough, but 3 of 400 failed, which is not certainly below 0.5 %",
  ],
  [
    "held",
    "p95",
    "hold",
    { late: 20, timed: 390, p95_ms: 400 },
    "the stage has lasted long enough, but 20 of 390 took longer than 400 ms, which is not certainly below 5 %",
  ],
  ["checked", "hold_time", "hold", {}, "holds: hold_time"],
];
for (const [kind, rule, verdict, figures, words] of EVENTS) {
  Deno.test(`eventInWords(): ${words}`, () => {
    assertEquals(eventInWords({ kind, rule, verdict, figures }), words);
  });
}

Deno.test("eventInWords(): shows unknown events of a newer database unchanged", () => {
  const newer = { verdict: null, figures: {} };
  assertEquals(eventInWords({ ...newer, kind: "eclipsed", rule: null }), "eclipsed");
  assertEquals(eventInWords({ ...newer, kind: "paged", rule: "moon_phase" }), "moon_phase");
});

/** Kind, rule, how the advice begins. */
const ADVICE: [string, string | null, RegExp][] = [
  ["started", null, /^Inform whoever is on call\./],
  ["advanced", "criteria_met", /^Nothing, unless people complain/],
  ["resumed", null, /^Nothing: the stage restarted/],
  ["paused", null, /^Find out what is wrong/],
  ["completed", "criteria_met", /^Wait some days/],
  ["held", "no_data", /^Nobody has used the feature lately/],
  ["held", "samples", /^Wait: there is too little traffic/],
  ["held", "error_rate", /^Look at the failures with the flag on/],
  ["held", "p95", /^Look at what is slow with the flag on/],
  ["paged", "overdue", /^The stage lasts longer than planned/],
  ["paged", "flag_changed_by_hand", /^The rollout is paused\. Resume it/],
  ["paged", "guard_failed", /^The guard cannot judge this rollout/],
  ["paged", "error_rate_unclear", /^There are too few outcomes without the flag/],
  ["paged", "p95_unclear", /^There are too few outcomes without the flag/],
  ["paged", "error_rate_absolute", /^It happens without the flag too/],
  ["rolled_back", "error_rate_relative", /^The flag is off\./],
];
for (const [kind, rule, begins] of ADVICE) {
  Deno.test(`adviceInWords(): ${kind} by ${rule}`, () => assertMatch(adviceInWords({ kind, rule }), begins));
}

Deno.test("adviceInWords(): is empty for events without a notification", () => {
  assertEquals(adviceInWords({ kind: "checked", rule: "hold_time" }), "");
});
