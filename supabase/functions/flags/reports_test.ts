import { assert, assertEquals } from "../../../tests/support/assert.ts";
import fc from "fast-check";
import { aLittleWrong } from "../../../tests/support/a_little_wrong.ts";
import { holds } from "../../../tests/support/property.ts";
import { outcomeReports } from "../_shared/contract/http/flags.ts";
import { prepareFlags } from "../_shared/flags/evaluate.ts";
import { Problem } from "../_shared/http/problem.ts";
import type { Outcome } from "../_shared/rollouts/outcomes.ts";
import { recordReports } from "./reports.ts";
import "../../../tests/support/flushed.ts";

const FLAGS = prepareFlags([{ key: "checkout.enabled", value: "true", metadata: {}, version: 1 }]);
const REPORT = { flag: "checkout.enabled", targetingKey: "user-17", failed: false };

/** What is recorded of a body. */
function recorded(body: unknown): Outcome[] {
  const seen: Outcome[] = [];
  recordReports(body, FLAGS, {
    outcome: (_flag, _arm, _id, outcome) => void seen.push(outcome),
    evaluated: () => {},
  });
  return seen;
}

function isTaken(body: unknown): boolean {
  try {
    recorded(body);
    return true;
  } catch (error) {
    assert(error instanceof Problem && error.code === "invalid_request");
    return false;
  }
}

Deno.test("recordReports(): a null latency is none, not one of 0 ms", () => {
  assertEquals(recorded({ outcomes: [{ ...REPORT, latency_ms: null }] }), [{ failed: false }]);
  assertEquals(recorded({ outcomes: [{ ...REPORT, latency_ms: 0 }] }), [{ failed: false, latencyMs: 0 }]);
});

Deno.test("recordReports(): accepts exactly the bodies that the contract describes", () => {
  const bodies = [{ outcomes: [] }, { outcomes: [REPORT, { ...REPORT, latency_ms: 12, value: true }] }];
  holds(fc.property(aLittleWrong(bodies), (body) => {
    assertEquals(isTaken(body), outcomeReports.safeParse(body).success, JSON.stringify(body));
  }));
  for (const length of [500, 501]) {
    assertEquals(isTaken({ outcomes: Array(length).fill(REPORT) }), length === 500);
  }
  for (const latency_ms of [86_399_999, 86_400_000]) {
    const body = { outcomes: [{ ...REPORT, latency_ms }] };
    assertEquals(
      [isTaken(body), outcomeReports.safeParse(body).success],
      Array(2).fill(latency_ms < 86_400_000),
    );
  }
});
