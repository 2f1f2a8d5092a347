import { assertEquals, assertRejects } from "../../../../tests/support/assert.ts";
import { DbError, type Rpc } from "../db/client.ts";
import { Problem } from "../http/problem.ts";
import { requireRate, take } from "./rate_limit.ts";
import "../../../../tests/support/flushed.ts";

const LIMIT = { name: "send", perSecond: 2, burst: 3 };

/** A limiter that gives this answer, or fails with it, and remembers what it was asked. */
function limiter(answer: object) {
  const asked: unknown[] = [];
  const call = ((name: string, args?: object) => {
    asked.push({ name, ...args });
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  }) as Rpc;
  return { call, asked };
}

Deno.test("take() passes the limit's key, rate, burst and cost", async () => {
  const { call, asked } = limiter({
    allowed: true,
    limit: 3,
    remaining: 1,
    reset_ms: 1000,
    retry_after_ms: 0,
  });
  const taken = await take(LIMIT, "default", 2, call);
  assertEquals(asked, [{ name: "take_rate", p_key: "send:default", p_rate: 2, p_burst: 3, p_cost: 2 }]);
  assertEquals(taken, {
    allowed: true,
    retryAfterMs: 0,
    headers: { "ratelimit-policy": '"send";q=3;w=2', ratelimit: '"send";r=1;t=1' },
  });
});

// [remaining, reset_ms] -> t: the next take of one becomes free before all of them are.
const resets: [number, number, number][] = [[3, 0, 0], [2, 500, 1], [2, 1, 1], [1, 1000, 1], [0, 1500, 1], [
  0,
  1001,
  1,
]];
for (const [remaining, reset_ms, t] of resets) {
  Deno.test(`take(): remaining ${remaining}, reset in ${reset_ms} ms -> t=${t}`, async () => {
    const { call } = limiter({ allowed: true, limit: 3, remaining, reset_ms, retry_after_ms: 0 });
    assertEquals((await take(LIMIT, "x", 1, call)).headers.ratelimit, `"send";r=${remaining};t=${t}`);
  });
}

Deno.test("take(): a slow limit says when the next take is available, not when all are", async () => {
  const { call } = limiter({
    allowed: false,
    limit: 10,
    remaining: 0,
    reset_ms: 60_000,
    retry_after_ms: 6_000,
  });
  const { headers } = await take({ name: "pair", perSecond: 1 / 6, burst: 10 }, "x", 1, call);
  assertEquals(headers, { "ratelimit-policy": '"pair";q=10;w=60', ratelimit: '"pair";r=0;t=6' });
});

Deno.test("requireRate() returns the headers for the answer", async () => {
  const { call } = limiter({ allowed: true, limit: 3, remaining: 2, reset_ms: 500, retry_after_ms: 0 });
  assertEquals(Object.keys(await requireRate(LIMIT, "x", 1, call)), ["ratelimit-policy", "ratelimit"]);
});

Deno.test("requireRate() refuses with 429, Retry-After no earlier than t, and the policy's name", async () => {
  const { call } = limiter({ allowed: false, limit: 3, remaining: 0, reset_ms: 1500, retry_after_ms: 500 });
  const problem = await assertRejects(() => requireRate(LIMIT, "x", 1, call), Problem);
  assertEquals([problem.code, problem.status], ["rate_limited", 429]);
  assertEquals(problem.headers, {
    "ratelimit-policy": '"send";q=3;w=2',
    ratelimit: '"send";r=0;t=1',
    "retry-after": "1",
  });
  assertEquals(problem.extensions, { "violated-policies": ["send"] });
});

Deno.test("requireRate(): a cost above the burst is reported as such, without a time to wait", async () => {
  const { call } = limiter({ allowed: false, limit: 3, remaining: 3, reset_ms: 0, retry_after_ms: null });
  const problem = await assertRejects(() => requireRate(LIMIT, "x", 4, call), Problem);
  assertEquals([problem.code, problem.headers["retry-after"]], ["invalid_request", undefined]);
});

Deno.test("requireRate(): allows the request if the limiter is unavailable or broken", async () => {
  const { warn } = console;
  console.warn = () => {};
  try {
    for (const error of [new Problem("database_unavailable"), new DbError("take_rate", "42883", "missing")]) {
      assertEquals(await requireRate(LIMIT, "x", 1, limiter(error).call), {});
    }
  } finally {
    console.warn = warn;
  }
});
