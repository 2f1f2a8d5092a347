import { assert, assertEquals } from "../support/assert.ts";
import { join, ROOT } from "../../lib/paths.ts";
import { powerOfCompared, powerOfKnown } from "../../bench/guard_bound.ts";

const percent = (share: number) => Math.round(share * 100);

Deno.test("powerOfKnown(): a rule that acts on chance alone catches as often as it errs", () => {
  for (const level of [0.01, 0.2, 1]) {
    assert(Math.abs(powerOfKnown(150, 0.03, 0.03, level) - level) < 1e-9);
    assert(Math.abs(powerOfCompared(60, 0.03, 0.03, level) - level) < 1e-9);
  }
});

Deno.test("powerOfKnown(): two outcomes, worked out by hand", () => {
  // Both fail: 1/100 if all is well, 81/100 if not. One fails: 18/100 and 18/100.
  assert(Math.abs(powerOfKnown(2, 0.1, 0.9, 0.01) - 0.81) < 1e-9);
  assert(Math.abs(powerOfKnown(2, 0.1, 0.9, 0.1) - (0.81 + 0.18 * 0.09 / 0.18)) < 1e-9);
});

Deno.test("powerOfCompared(): knowing less never helps", () => {
  for (const n of [20, 150, 300]) {
    for (const level of [0.0001, 0.01]) {
      assert(powerOfCompared(n, 0.01, 0.05, level) <= powerOfKnown(n, 0.01, 0.05, level) + 1e-9);
    }
  }
});

Deno.test("the bounds that docs/rollouts.md gives for 5 % beside 1 %, at 10 outcomes a minute", async () => {
  const docs = await Deno.readTextFile(join(ROOT, "docs", "rollouts.md"));
  const rows = [
    (n: number) => powerOfKnown(n, 0.01, 0.05, 0.01),
    (n: number) => powerOfKnown(n, 0.01, 0.05, 0.01 * n / 14_400),
    (n: number) => powerOfCompared(n, 0.01, 0.05, 0.01 * n / 14_400),
  ].map((power) =>
    [15, 20, 30, 45, 60, 90].map((minutes) => `${percent(power(10 * minutes))} %`).join(" | ")
  );
  for (const row of rows) assertEquals([row, docs.includes(`| ${row} |`)], [row, true]);
});
