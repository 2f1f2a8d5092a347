import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { MAX_RETRY_AFTER_MS, MAX_SEND_ATTEMPTS, nextSendAttempt } from "./backoff.ts";
import { holds } from "../../../../tests/support/property.ts";

Deno.test("nextSendAttempt() backs off from 1 s by 4x to 15 min, and gives up after eight attempts", () => {
  const waits = [1000, 4000, 16_000, 64_000, 256_000, 900_000, 900_000];
  for (const kind of ["retry", "throttle"] as const) {
    waits.forEach((afterMs, i) => {
      assertEquals(nextSendAttempt(i + 1, { kind }, 0.5), { outcome: "retry", afterMs });
    });
  }
  assertEquals(nextSendAttempt(MAX_SEND_ATTEMPTS, { kind: "retry" }, 0.5), {
    outcome: "failed",
    why: "attempts_exhausted",
  });
  assertEquals(nextSendAttempt(1, { kind: "final" }, 0.5), { outcome: "failed", why: "final" });
  assertEquals(nextSendAttempt(1, { kind: "unknown" }, 0.5), { outcome: "unknown" });
});

Deno.test("nextSendAttempt() never ends a message for a pace or a fault of the account", () => {
  for (const attempt of [1, 8, 9, 1000]) {
    for (
      const failure of [{ kind: "throttle" }, { kind: "held", scope: "number" }, {
        kind: "held",
        scope: "pair",
      }]
    ) {
      const next = nextSendAttempt(attempt, failure as Parameters<typeof nextSendAttempt>[1], 0.5);
      assert(next.outcome === "retry" && next.afterMs <= 60 * 60 * 1000, JSON.stringify(failure));
    }
  }
});

Deno.test("nextSendAttempt() jitters by a fifth, and never comes before Retry-After allows", () => {
  holds(fc.property(
    fc.integer({ min: 1, max: MAX_SEND_ATTEMPTS - 1 }),
    fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    fc.option(fc.nat(10 * MAX_RETRY_AFTER_MS), { nil: undefined }),
    (attempt, random, retryAfterMs) => {
      const next = nextSendAttempt(attempt, { kind: "throttle", retryAfterMs }, random);
      if (next.outcome !== "retry") throw new Error(next.outcome);
      const middle = Math.min(1000 * 4 ** (attempt - 1), 900_000);
      const asked = Math.min(retryAfterMs ?? 0, MAX_RETRY_AFTER_MS);
      assert(next.afterMs >= Math.max(asked, Math.floor(0.8 * middle)));
      assert(next.afterMs <= Math.max(asked, Math.ceil(1.2 * middle)));
    },
  ));
});
