import { assertEquals, assertRejects, assertThrows } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { cached } from "./cache.ts";
import { holds } from "../../../../tests/support/property.ts";

/** A source with a clock: its version can be raised, it can go away, and it answers when told. */
function world(ttlMs = 3000) {
  const state = { now: 0, version: 0, away: false, final: false, loads: 0, stale: 0 };
  const cache = cached<number>({
    ttlMs,
    now: () => state.now,
    onStale: () => state.stale++,
    isFinal: () => state.final,
    load: async () => {
      state.loads++;
      const { away, version } = state;
      await Promise.resolve();
      if (away) throw new Error("away");
      return version;
    },
  });
  return { state, cache };
}

Deno.test("cached() loads once for all concurrent callers", async () => {
  const { state, cache } = world();
  assertEquals(await Promise.all([cache.get(), cache.get(), cache.get()]), [0, 0, 0]);
  assertEquals(state.loads, 1);
});

Deno.test("cached() answers from memory up to ttlMs, then shows a change to the very next caller", async () => {
  const { state, cache } = world(3000);
  await cache.get();
  state.version = 1;
  state.now = 3000;
  assertEquals([await cache.get(), state.loads], [0, 1]);
  state.now = 3001;
  assertEquals([await cache.get(), state.loads], [1, 2]);
});

Deno.test("cached() falls back to the held value, however old, and retries every retryMs without making anybody wait", async () => {
  const { state, cache } = world();
  await cache.get();
  state.away = true;
  state.version = 1;
  state.now = 86_400_000;
  assertEquals([await cache.get(), state.loads, state.stale], [0, 2, 1]);
  for (let i = 0; i < 10; i++) assertEquals(await cache.get(), 0);
  assertEquals(state.loads, 2);
  state.now += 1000;
  assertEquals([await cache.get(), await cache.get(), state.loads], [0, 0, 3]);
  state.away = false;
  state.now += 1000;
  assertEquals(await cache.get(), 0); // asks in the background
  await Promise.resolve();
  assertEquals([await cache.get(), state.loads], [1, 4]);
});

Deno.test("cached() drops the held value after a final failure, until the source answers again", async () => {
  const { state, cache } = world();
  await cache.get();
  state.away = true;
  state.now = 10_000;
  assertEquals(await cache.get(), 0);
  state.final = true;
  state.now += 1000;
  assertEquals(await cache.get(), 0); // asks in the background
  await Promise.resolve();
  await Promise.resolve();
  assertEquals(cache.ageMs(), undefined);
  await assertRejects(() => cache.get(), Error, "away");
  await assertRejects(() => cache.get(), Error, "away");
  assertEquals(state.stale, 1);
  state.away = false;
  state.version = 1;
  assertEquals(await cache.get(), 1);
});

Deno.test("cached() waits for the source again once its last failure is older than ttlMs", async () => {
  const { state, cache } = world();
  await cache.get();
  state.away = true;
  state.now += 6000;
  assertEquals(await cache.get(), 0);
  // Back, and changed, while nobody asked: whoever asks now must not get what was true before.
  state.away = false;
  state.version = 1;
  state.now += 5001;
  assertEquals(await cache.get(), 1);
});

Deno.test("cached() throws without a value to fall back to, and retries at the next call", async () => {
  const { state, cache } = world();
  state.away = true;
  await assertRejects(() => cache.get(), Error, "away");
  state.away = false;
  assertEquals(await cache.get(), 0);
});

Deno.test("cached() passes the held value to load, so that an unchanged one need not be sent", async () => {
  const seen: (number | undefined)[] = [];
  let at = 0;
  const cache = cached<number>({
    ttlMs: 10,
    now: () => at,
    load: (held) => {
      seen.push(held);
      return Promise.resolve((held ?? 0) + 1);
    },
  });
  await cache.get();
  at = 11;
  assertEquals(await cache.get(), 2);
  assertEquals(seen, [undefined, 1]);
});

Deno.test("cached() refuses a ttl above 5 s", () => {
  for (const ttlMs of [0, -1, 5001, NaN]) {
    assertThrows(() => cached({ ttlMs, load: () => Promise.resolve(1) }), RangeError);
  }
});

Deno.test("cached(): while the source answers, no value is older than ttlMs, and a change is seen by then", async () => {
  const steps = fc.array(fc.record({ wait: fc.integer({ min: 0, max: 6000 }), flip: fc.boolean() }), {
    maxLength: 60,
  });
  await holds(fc.asyncProperty(steps, fc.integer({ min: 1, max: 5000 }), async (steps, ttlMs) => {
    const { state, cache } = world(ttlMs);
    const flips = [0]; // when each version came
    for (const { wait, flip } of steps) {
      state.now += wait;
      if (flip) {
        state.version++;
        flips.push(state.now);
      }
      const seen = await cache.get();
      const overdue = flips.findLastIndex((at) => state.now - at > ttlMs);
      assertEquals(seen >= overdue, true, `at ${state.now} saw ${seen}, version ${overdue} is overdue`);
    }
  }));
});
