import { assert, assertEquals, assertStringIncludes } from "../support/assert.ts";
import type { Result } from "./job.ts";
import { closing, type Run, told } from "./report.ts";

const result = (change: Partial<Result> = {}): Result => ({
  job: { tier: "unit", files: [], name: "cli" },
  passed: 2,
  failed: 0,
  ignored: 0,
  output: "a ... ok (1ms)\nb ... FAILED\n",
  ms: 1_000,
  ...change,
});
const run = (change: Partial<Run> = {}): Run => ({
  results: [result()],
  expected: 1,
  leftOut: [],
  aborted: false,
  fault: undefined,
  seed: 7,
  filter: undefined,
  ms: 1_000,
  ...change,
});

Deno.test("told(): one line for a success, only failures otherwise, and everything that could not run", () => {
  assertEquals(told(result(), false), "ok        1.0 s  cli (2 passed)");
  const bad = told(result({ failed: 1 }), false);
  assert(bad.includes("b ... FAILED") && !bad.includes("a ... ok"), bad);
  const lines = "x was not found, so y is NOT run.\n".repeat(2);
  assertEquals(
    told(result({ ignored: 1, output: lines }), false).split("\n").slice(1),
    ["        x was not found, so y is NOT run."],
  );
});

Deno.test("closing(): 0 only if all ran, at least one did, and nothing failed", () => {
  const cases: [about: string, run: Run, code: number, last: string][] = [
    ["all passed", run(), 0, "2 passed, 0 failed"],
    ["one failed", run({ results: [result({ failed: 1 })] }), 1, "2 passed, 1 failed"],
    ["not all begun", run({ expected: 2 }), 1, "2 passed, 0 failed"],
    [
      "one left out for want of time",
      run({ expected: 2, leftOut: [{ tier: "slow", files: [], name: "tests/slow/chaos_test.ts" }] }),
      0,
      "2 passed, 0 failed",
    ],
    ["ended by somebody", run({ aborted: true }), 1, "2 passed, 0 failed"],
    ["no Postgres", run({ fault: new Error("no Postgres") }), 1, "2 passed, 1 failed"],
    ["some chosen", run({ filter: "a" }), 0, "2 passed, 0 failed"],
    [
      "all ignored",
      run({ filter: "a", results: [result({ passed: 0, ignored: 1 })] }),
      0,
      "0 passed, 0 failed",
    ],
    ["none chosen", run({ filter: "a", results: [result({ passed: 0 })] }), 1, "0 passed, 0 failed"],
  ];
  for (const [about, run, expected, last] of cases) {
    const { code, text } = closing(run);
    assertEquals([code, text.split("\n").at(-1)], [expected, last], about);
  }
  assertStringIncludes(
    closing(run({ expected: 2, leftOut: [{ tier: "slow", files: [], name: "tests/slow/chaos_test.ts" }] }))
      .text,
    "NOT run, for want of time: tests/slow/chaos_test.ts\n",
  );
  assertStringIncludes(closing(run({ fault: new Error("no Postgres") })).text, "FAILED no Postgres\n");
});
