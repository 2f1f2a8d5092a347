import { assert, assertEquals, assertRejects } from "../../../../tests/support/assert.ts";
import { Problem, type ProblemCode } from "../http/problem.ts";
import { retrySettlement } from "./retry.ts";

/** A clock that waits at once, and a call that fails with these codes before it goes well. */
function world(...codes: ProblemCode[]) {
  let at = 0;
  const waits: number[] = [];
  let calls = 0;
  return {
    waits,
    calls: () => calls,
    call: () => {
      const code = codes[calls++];
      return code === undefined ? Promise.resolve("written") : Promise.reject(new Problem(code));
    },
    time: { now: () => at, wait: (ms: number) => (waits.push(ms), at += ms, Promise.resolve()) },
  };
}

Deno.test("retrySettlement(): waits out an outage with growing delays", async () => {
  const { call, time, waits } = world(...Array(7).fill("database_unavailable"), "overloaded");
  assertEquals(await retrySettlement(call, 60_000, time), "written");
  assertEquals(waits, [100, 200, 400, 800, 1600, 2000, 2000, 2000]);
});

Deno.test("retrySettlement(): gives up in time, with the last error", async () => {
  const { call, time, waits } = world(...Array(100).fill("database_unavailable"));
  await assertRejects(() => retrySettlement(call, 10_000, time), Problem);
  const waited = waits.reduce((sum, ms) => sum + ms, 0);
  assert(waited > 8_000 && waited <= 10_000, `${waited}`);
});

Deno.test("retrySettlement(): does not retry a final error", async () => {
  const { call, time, calls } = world("internal_error");
  await assertRejects(() => retrySettlement(call, 60_000, time), Problem);
  assertEquals(calls(), 1);
});
