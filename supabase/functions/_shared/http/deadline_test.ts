import fc from "fast-check";
import { assertEquals } from "../../../../tests/support/assert.ts";
import { holds } from "../../../../tests/support/property.ts";
import { startDeadline } from "./deadline.ts";

/** The runtime's clock and timers, moved by hand. */
function clock() {
  let now = 0, ids = 0, set = 0;
  const timers = new Map<number, { at: number; run: () => void }>();
  const real = {
    now: performance.now,
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
  };
  performance.now = () => now;
  Object.assign(globalThis, {
    setTimeout: (run: () => void, ms: number) => {
      set++;
      timers.set(++ids, { at: now + ms, run });
      return ids;
    },
    clearTimeout: (id: number) => void timers.delete(id),
  });
  return {
    pass(ms: number): void {
      const end = now + ms;
      for (;;) {
        const [id, next] = [...timers].sort(([, a], [, b]) => a.at - b.at)[0] ?? [];
        if (id === undefined || next!.at > end) break;
        timers.delete(id);
        now = next!.at;
        next!.run();
      }
      now = end;
    },
    running: () => timers.size,
    set: () => set,
    [Symbol.dispose](): void {
      performance.now = real.now;
      Object.assign(globalThis, { setTimeout: real.setTimeout, clearTimeout: real.clearTimeout });
    },
  };
}

Deno.test("startDeadline(): each passes at its time unless it was ended, whatever the others do", () => {
  const step = fc.oneof(
    fc.record({ start: fc.constantFrom(10, 25, 100) }),
    fc.record({ end: fc.nat(30) }),
    fc.record({ pass: fc.nat(40) }),
  );
  holds(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    using time = clock();
    let now = 0;
    const late: number[] = [];
    const started: { at: number; ended: boolean; end(): void }[] = [];
    const expected = () => started.flatMap(({ at, ended }, i) => !ended && at <= now ? [i] : []);
    for (const each of steps) {
      if ("start" in each) {
        const i = started.length;
        const deadline = startDeadline(each.start, () => late.push(i));
        started.push({ at: now + each.start, ended: false, end: () => deadline.end() });
      } else if ("end" in each) {
        const one = started[each.end];
        one?.end();
        if (one !== undefined && one.at > now) one.ended = true;
      } else {
        time.pass(each.pass);
        now += each.pass;
      }
      assertEquals(late.toSorted((a, b) => a - b), expected());
    }
    for (const one of started) one.end();
    assertEquals(time.running(), 0);
  }));
});

Deno.test("startDeadline(): many with one limit share a timer", () => {
  using time = clock();
  const all = Array.from({ length: 100 }, () => startDeadline(1000, () => {}));
  assertEquals([time.set(), time.running()], [1, 1]);
  for (const each of all) each.end();
  assertEquals(time.running(), 0);
});
