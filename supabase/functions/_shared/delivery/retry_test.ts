import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { SCHEDULE } from "../contract/retries.ts";
import { asideOf, type Failure, type FailurePolicy, JITTER, MAX_RETRY_AFTER_MS, next } from "./retry.ts";
import { holds } from "../../../../tests/support/property.ts";

const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE;
const MIDDLE = 0.5; // no jitter

Deno.test("next(): the schedule of 8 attempts over about 28 hours", () => {
  const waits = [5 * SECOND, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR];
  waits.forEach((afterMs, i) => assertEquals(next(i + 1, {}, MIDDLE), { outcome: "retry", afterMs }));
  assertEquals(next(8, {}, MIDDLE), { outcome: "dead", why: "attempts_exhausted" });
  assertEquals(next(9, {}, MIDDLE), { outcome: "dead", why: "attempts_exhausted" });
  assertEquals(SCHEDULE.reduce((sum, s) => sum + s) / 3600, 27 + 35 / 60 + 5 / 3600);
});

Deno.test("asideOf(): everything is given up after the second attempt, except what pauses the destination", () => {
  const status = fc.oneof(fc.integer({ min: 300, max: 599 }), fc.constant(undefined));
  const then = fc.constantFrom("hold" as const, "aside" as const, "pause" as const);
  const policy = fc.dictionary(
    fc.oneof(fc.integer({ min: 300, max: 599 }).map(String), fc.constant("else")),
    then,
  );
  holds(fc.property(status, policy, fc.integer({ min: 2, max: 20 }), (status, policy, attempt) => {
    const pauses = next(1, { status }, MIDDLE, SCHEDULE, policy).outcome === "retry" &&
      "pause" in next(1, { status }, MIDDLE, SCHEDULE, policy);
    const first = next(1, { status }, MIDDLE, SCHEDULE, asideOf(policy));
    assertEquals([first.outcome, "pause" in first], ["retry", pauses]);
    if (!pauses) {
      assertEquals(next(attempt, { status }, MIDDLE, SCHEDULE, asideOf(policy)), {
        outcome: "dead",
        why: "refused",
      });
    }
  }));
});

Deno.test("next(): decides each kind of failure", () => {
  const retry = (afterMs: number) => ({ outcome: "retry" as const, afterMs });
  const cases: [name: string, attempt: number, failure: Failure, random: number, expected: unknown][] = [
    ["no answer", 1, {}, MIDDLE, retry(5000)],
    ["least jitter", 1, {}, 0, retry(4000)],
    ["most jitter", 1, {}, 0.999999999, retry(6000)],
    ["400", 1, { status: 400 }, MIDDLE, retry(5000)],
    ["401", 1, { status: 401 }, MIDDLE, retry(5000)],
    ["404", 1, { status: 404 }, MIDDLE, retry(5000)],
    ["301", 1, { status: 301 }, MIDDLE, retry(5000)],
    ["500", 2, { status: 500 }, MIDDLE, retry(5 * MINUTE)],
    ["400 again", 2, { status: 400 }, MIDDLE, { outcome: "dead", why: "refused" }],
    ["413", 1, { status: 413 }, MIDDLE, retry(5000)],
    ["413 again", 2, { status: 413 }, MIDDLE, { outcome: "dead", why: "refused" }],
    ["415 again", 2, { status: 415 }, MIDDLE, { outcome: "dead", why: "refused" }],
    ["422 again", 2, { status: 422 }, MIDDLE, { outcome: "dead", why: "refused" }],
    ["401 again", 2, { status: 401 }, MIDDLE, retry(5 * MINUTE)],
    ["410 pauses", 1, { status: 410 }, MIDDLE, { ...retry(5000), pause: true }],
    ["410 gives nothing up", 8, { status: 410 }, MIDDLE, { ...retry(10 * HOUR), pause: true }],
    ["Retry-After lengthens", 1, { status: 429, retryAfterMs: 60_000 }, MIDDLE, retry(60_000)],
    ["Retry-After never shortens", 2, { status: 429, retryAfterMs: 1000 }, MIDDLE, retry(5 * MINUTE)],
    ["Retry-After is clamped", 1, { status: 503, retryAfterMs: 999 * HOUR }, MIDDLE, retry(10 * HOUR)],
    ["Retry-After adds no attempt", 8, { status: 503, retryAfterMs: 1000 }, MIDDLE, {
      outcome: "dead",
      why: "attempts_exhausted",
    }],
  ];
  for (const [name, attempt, failure, random, expected] of cases) {
    assertEquals(next(attempt, failure, random), expected, name);
  }
});

Deno.test("next(): uses a destination's own schedule", () => {
  assertEquals(next(1, {}, MIDDLE, [1]), { outcome: "retry", afterMs: 1000 });
  assertEquals(next(2, {}, MIDDLE, [1]), { outcome: "dead", why: "attempts_exhausted" });
  assertEquals(next(1, {}, MIDDLE, [0]), { outcome: "retry", afterMs: 0 });
});

Deno.test("next(): a destination's own policy has precedence, by status, with else for all others", () => {
  const decide = (attempt: number, status: number | undefined, policy: FailurePolicy) => {
    const decided = next(attempt, { status }, MIDDLE, SCHEDULE, policy);
    return decided.outcome === "dead" ? decided.why : decided.pause ? "pause" : "retry";
  };
  const cases: [status: number | undefined, policy: FailurePolicy, first: string, second: string][] = [
    [400, { 400: "hold" }, "retry", "retry"],
    [400, { else: "hold" }, "retry", "refused"],
    [404, { 404: "aside" }, "retry", "refused"],
    [404, { 404: "pause" }, "pause", "pause"],
    [410, { 410: "hold" }, "retry", "retry"],
    [410, { 410: "aside" }, "retry", "refused"],
    [503, { else: "aside" }, "retry", "refused"],
    [undefined, { else: "aside" }, "retry", "refused"],
    [undefined, { 503: "aside" }, "retry", "retry"],
  ];
  for (const [status, policy, first, second] of cases) {
    assertEquals(
      [decide(1, status, policy), decide(2, status, policy)],
      [first, second],
      `${status} ${JSON.stringify(policy)}`,
    );
  }
});

Deno.test("next(): waits stay within jitter and limits, and end after 8 attempts", () => {
  const failure = fc.record({
    status: fc.integer({ min: 300, max: 599 }).filter((status) =>
      ![400, 410, 413, 415, 422].includes(status)
    ),
    retryAfterMs: fc.nat({ max: 2 ** 31 }),
  }, { requiredKeys: [] });
  holds(fc.property(
    fc.integer({ min: 1, max: 20 }),
    failure,
    fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    (attempt, failure, random) => {
      const decided = next(attempt, failure, random);
      assertEquals(decided.outcome, attempt <= 7 ? "retry" : "dead");
      if (decided.outcome === "dead") return;
      const base = SCHEDULE[attempt - 1] * SECOND;
      const asked = Math.min(failure.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS);
      assert(decided.afterMs >= Math.max(base * (1 - JITTER), asked));
      assert(decided.afterMs <= Math.max(base * (1 + JITTER), asked));
    },
  ));
});
