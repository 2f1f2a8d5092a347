import { assert, assertEquals } from "../../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { classify, MAX_RETRY_AFTER_MS, MAX_SEND_ATTEMPTS, nextSendAttempt } from "./errors.ts";
import type { FailureKind } from "../../channel.ts";
import { holds } from "../../../../../../tests/support/property.ts";

Deno.test("classify() goes by Meta's code, whatever the HTTP status", () => {
  const codes: [FailureKind, number[]][] = [
    ["throttle", [4, 17, 613, 80007, 130429, 131048, 131056, 133016]],
    ["retry", [1, 2, 131000, 131016, 131053, 131057, 133004]],
    ["held", [0, 3, 10, 190, 200, 299, 368, 401, 130497, 131005, 131031, 131042, 133010]],
    ["final", [100, 131008, 131009, 131021, 131026, 131045]],
    ["final", [
      131047,
      131049,
      131050,
      131051,
      131062,
      132000,
      132001,
      132005,
      132007,
      132012,
      132015,
      132016,
      135000,
    ]],
  ];
  for (const [kind, all] of codes) {
    for (const code of all) {
      assertEquals(classify({ code }, 400).kind, kind, String(code));
      if (kind !== "final") {
        for (const status of [401, 403, 429, 500, 503]) assertEquals(classify({ code }, status).kind, kind);
      }
    }
  }
});

Deno.test("classify() tells a pair that is too fast from a number that is", () => {
  assertEquals(classify({ code: 131056 }, 400), { kind: "throttle", scope: "pair" });
  for (const code of [4, 80007, 130429, 131048]) {
    assertEquals(classify({ code }, 400), { kind: "throttle", scope: "number" });
  }
  assertEquals(classify(undefined, 429), { kind: "throttle", scope: "number" });
});

Deno.test("classify() judges what is not known by its HTTP status", () => {
  for (const status of [200, 302, 408, 500, 502, 503, 504]) {
    assertEquals(classify(undefined, status).kind, "retry");
  }
  for (const status of [400, 403, 404, 413]) assertEquals(classify(undefined, status).kind, "final");
  assertEquals(classify({ code: 999999 }, 400).kind, "final");
  assertEquals(classify({ code: 999999 }, 500).kind, "retry");
  assertEquals(classify({ code: 999999, isTransient: true }, 400).kind, "retry");
});

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

Deno.test("classify() tells a fault of the account from one that is about a country", () => {
  assertEquals(classify({ code: 190 }, 401), { kind: "held", scope: "number" });
  assertEquals(classify(undefined, 401), { kind: "held", scope: "number" });
  assertEquals(classify({ code: 130497 }, 400), { kind: "held", scope: "pair" });
});

Deno.test("nextSendAttempt() jitters by a fifth, and never comes before Retry-After allows", () => {
  holds(fc.property(
    fc.integer({ min: 1, max: MAX_SEND_ATTEMPTS - 1 }),
    fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    fc.option(fc.nat(10 * MAX_RETRY_AFTER_MS), { nil: undefined }),
    (attempt, random, retryAfterMs) => {
      const next = nextSendAttempt(attempt, { kind: "throttle", retryAfterMs }, random);
      if (next.outcome !== "retry") throw new Error(next.why);
      const middle = Math.min(1000 * 4 ** (attempt - 1), 900_000);
      const asked = Math.min(retryAfterMs ?? 0, MAX_RETRY_AFTER_MS);
      assert(next.afterMs >= Math.max(asked, Math.floor(0.8 * middle)));
      assert(next.afterMs <= Math.max(asked, Math.ceil(1.2 * middle)));
    },
  ));
});
