import { assertEquals } from "../../../../tests/support/assert.ts";
import { platformLimitMs } from "./ending.ts";

const limit = (retryAfterMs?: unknown) =>
  Object.assign(new Error("Rate limit exceeded"), { name: "RateLimitError", retryAfterMs });

Deno.test("platformLimitMs: the wait that the runtime's own error requests, at most a minute", () => {
  assertEquals(
    [limit(1234.2), limit(0), limit(1e9), limit(), limit(-1), limit("2"), limit(NaN)].map(platformLimitMs),
    [1235, 0, 60_000, 1000, 1000, 1000, 1000],
  );
  assertEquals([new TypeError("fetch failed"), "RateLimitError", undefined].map(platformLimitMs), [
    undefined,
    undefined,
    undefined,
  ]);
});

for (const event of ["beforeunload", "drain"]) {
  Deno.test(`ending: aborts at ${event}, and leaves no listener`, async () => {
    // A module of its own: the one that the others share goes on.
    const fresh = `./ending.ts?${event}`;
    const { ending }: { ending: AbortSignal } = await import(fresh);
    assertEquals(ending.aborted, false);
    dispatchEvent(new Event(event));
    assertEquals(ending.aborted, true);
  });
}
