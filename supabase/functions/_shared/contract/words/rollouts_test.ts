import { assertEquals, assertMatch } from "@std/assert";
import { adviceInWords } from "./rollouts.ts";

/** Kind, rule, how the advice begins. */
const ADVICE: [string, string | null, RegExp][] = [
  ["started", null, /^Tell who is on call\./],
  ["advanced", "criteria_met", /^Nothing, unless people complain/],
  ["resumed", null, /^Nothing: the stage began anew/],
  ["paused", null, /^Find out what is wrong/],
  ["completed", "criteria_met", /^Let it stand for some days/],
  ["held", "no_data", /^Nobody met the feature lately/],
  ["held", "samples", /^Wait: there is too little traffic/],
  ["held", "error_rate", /^Look at the failures with the flag on/],
  ["held", "p95", /^Look at what is slow with the flag on/],
  ["paged", "overdue", /^The stage lasts longer than planned/],
  ["paged", "flag_changed_by_hand", /^The rollout is paused\. Resume it/],
  ["paged", "guard_failed", /^The guard cannot judge this rollout/],
  ["paged", "error_rate_unclear", /^There is too little without the flag/],
  ["paged", "p95_unclear", /^There is too little without the flag/],
  ["paged", "error_rate_absolute", /^It happens without the flag too/],
  ["rolled_back", "error_rate_relative", /^The flag is off\./],
];
for (const [kind, rule, begins] of ADVICE) {
  Deno.test(`adviceInWords(): ${kind} by ${rule}`, () => assertMatch(adviceInWords({ kind, rule }), begins));
}

Deno.test("adviceInWords(): nothing for what nobody is told of", () => {
  assertEquals(adviceInWords({ kind: "checked", rule: "hold_time" }), "");
});
