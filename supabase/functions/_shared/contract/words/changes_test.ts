import { assertEquals } from "../../../../../tests/support/assert.ts";
import type { Change } from "../answers/operations.ts";
import { changeInWords } from "./changes.ts";

const CASES: [kind: Change["kind"], name: string, change: string, Change["figures"], words: string][] = [
  ["setting", "a.enabled", "removed", {}, "a.enabled removed"],
  ["setting", "a.enabled", "set", { to: "true" }, "a.enabled set to true"],
  ["setting", "a.enabled", "value", { from: "false", to: "true" }, "a.enabled false → true"],
  ["setting", "a.enabled", "percentage", { from: 12.5, to: 100 }, "a.enabled 12.5 % → 100 %"],
  ["setting", "a.enabled", "schedule", {}, "a.enabled schedule changed"],
  ["setting", "a.enabled", "metadata", {}, "a.enabled metadata changed"],
  [
    "setting",
    "a.enabled",
    "value",
    { from: "true", to: "false", start_taken_away: true },
    "a.enabled true → false, scheduled start removed",
  ],
  [
    "rollout",
    "a.enabled",
    "paused",
    { rule: null, verdict: null, figures: { stage: "beta" } },
    "a.enabled paused: paused at beta",
  ],
  ["rollback", "a.enabled", "verified", { level: 1 }, "level 1: a.enabled"],
  ["rollback", "a.enabled", "not_verified", { level: 4 }, "level 4: a.enabled, not verified"],
  ["route", "crm", "added", { active: true }, "route crm added"],
  ["route", "crm", "changed", { active: false }, "route crm changed, is off"],
  ["destination", "crm", "paused", {}, "destination crm paused"],
  ["destination", "crm", "added", {}, "destination crm added"],
  ["destination", "crm", "active", {}, "destination crm changed, is active"],
  ["segment", "beta", "set", {}, "segment beta set"],
  ["segment", "beta", "members", { added: 2, removed: 1 }, "segment beta +2 −1"],
  ["moon", "full", "risen", {}, "moon full risen"],
];
for (const [kind, name, change, figures, words] of CASES) {
  Deno.test(`changeInWords(): ${words}`, () => {
    assertEquals(changeInWords({ at: "", who: "", why: null, kind, name, change, figures }), words);
  });
}
