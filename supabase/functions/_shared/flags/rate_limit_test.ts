import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import { createPace } from "./rate_limit.ts";

Deno.test("createPace() allows a second's worth at once, then one at a time, separately for each subject", () => {
  let now = 1000;
  const pace = createPace(() => now);
  const burst = () => Array.from({ length: 12 }, () => pace("a", 10)).filter((wait) => wait === 0).length;
  assertEquals(burst(), 10);
  assertEquals(pace("b", 10), 0);
  assertEquals(Math.round(pace("a", 10)), 100);
  now += 100;
  assertEquals([pace("a", 10), pace("a", 10) > 0], [0, true]);
  now += 60_000;
  assertEquals(burst(), 10);
});

Deno.test("createPace() supports less than one per second", () => {
  let now = 0;
  const pace = createPace(() => now);
  assertEquals(pace("a", 0.5), 0);
  assertEquals(pace("a", 0.5), 2000);
  now += 2000;
  assertEquals(pace("a", 0.5), 0);
});

Deno.test("createPace() never allows more than a second's worth plus the rate since", () => {
  let now = 0;
  const pace = createPace(() => now);
  let passed = 0;
  for (let i = 0; i < 20_000; i++) {
    now += i % 7 === 0 ? 3 : 0.1;
    if (pace("a", 100) === 0) passed++;
    assert(passed <= 100 + now / 10 + 1, `${passed} after ${now} ms`);
  }
  assert(passed >= now / 10 - 1, `${passed} of ${now / 10}`);
});
