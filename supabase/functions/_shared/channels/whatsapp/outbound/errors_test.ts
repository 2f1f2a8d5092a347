import { assertEquals } from "../../../../../../tests/support/assert.ts";
import { classify } from "./errors.ts";
import type { FailureKind } from "../../channel.ts";

Deno.test("classify() uses Meta's code, whatever the HTTP status", () => {
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

Deno.test("classify() distinguishes a pair that is too fast from a number that is", () => {
  assertEquals(classify({ code: 131056 }, 400), { kind: "throttle", scope: "pair" });
  for (const code of [4, 80007, 130429, 131048]) {
    assertEquals(classify({ code }, 400), { kind: "throttle", scope: "number" });
  }
  assertEquals(classify(undefined, 429), { kind: "throttle", scope: "number" });
});

Deno.test("classify() judges unknown codes by the HTTP status", () => {
  for (const status of [200, 302, 408, 500, 502, 503, 504]) {
    assertEquals(classify(undefined, status).kind, "retry");
  }
  for (const status of [400, 403, 404, 413]) assertEquals(classify(undefined, status).kind, "final");
  assertEquals(classify({ code: 999999 }, 400).kind, "final");
  assertEquals(classify({ code: 999999 }, 500).kind, "retry");
  assertEquals(classify({ code: 999999, isTransient: true }, 400).kind, "retry");
});

Deno.test("classify() distinguishes an account's fault from one that concerns a country", () => {
  assertEquals(classify({ code: 190 }, 401), { kind: "held", scope: "account" });
  assertEquals(classify(undefined, 401), { kind: "held", scope: "account" });
  assertEquals(classify({ code: 133010 }, 400), { kind: "held", scope: "number" });
  assertEquals(classify({ code: 130497 }, 400), { kind: "held", scope: "pair" });
});
