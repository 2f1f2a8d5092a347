import { assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { DbError } from "./client.ts";
import { BUCKETS_MS, createMeasurements, type Measurement } from "./measurements.ts";
import { holds } from "../../../../tests/support/property.ts";

Deno.test("measurements: everything measured is sent once, whatever fails in between", async () => {
  const { warn } = console;
  console.warn = () => {}; // it tells of each failure to send
  const operation = fc.oneof(
    fc.record({
      name: fc.constantFrom("a", "b"),
      label: fc.constantFrom("", "x", "y"),
      ms: fc.double({ min: -5, max: 500_000, noNaN: true }),
      kept: fc.boolean(),
    }),
    fc.constant("flush" as const),
  );
  await holds(fc.asyncProperty(
    fc.array(operation),
    fc.infiniteStream(fc.boolean()),
    async (operations, failures) => {
      const sent = new Map<string, { n: number; counts: number[] }>();
      const expected = new Map<string, { n: number; counts: number[] }>();
      const add = (to: typeof sent, key: string, n: number, counts: number[]) => {
        const before = to.get(key) ?? { n: 0, counts: counts.map(() => 0) };
        to.set(key, { n: before.n + n, counts: before.counts.map((count, i) => count + counts[i]) });
      };
      let healthy = false;
      const { measure, measuring, flush } = createMeasurements({
        async send(group: Measurement[]) {
          await Promise.resolve();
          if (!healthy && failures.next().value) throw new Error("away");
          for (const { name, label, n, counts } of group) add(sent, name + label, n, counts);
        },
        delayMs: 60_000,
      });
      const one = new Map<string, (ms: number) => void>();
      for (const operation of operations) {
        if (operation === "flush") await flush();
        else {
          const { name, label, ms, kept } = operation;
          if (!one.has(name + label)) one.set(name + label, measuring(name, label));
          if (kept) one.get(name + label)!(ms);
          else measure(name, label, ms);
          const at = BUCKETS_MS.findIndex((bound) => ms <= bound);
          const counts = [...BUCKETS_MS, Infinity].map((_, i) =>
            i === (at < 0 ? BUCKETS_MS.length : at) ? 1 : 0
          );
          add(expected, name + label, 1, counts);
        }
      }
      healthy = true;
      await flush();
      await flush();
      assertEquals(sent, expected);
    },
  ));
  console.warn = warn;
});

Deno.test("measurements: a group that the database refuses is dropped, and the next one is sent", async () => {
  const { error } = console;
  console.error = () => {}; // it tells of what is dropped
  const groups: number[] = [];
  const { measure, flush } = createMeasurements({
    send(group) {
      groups.push(group.length);
      return groups.length === 1 ? Promise.reject(new DbError("f", "23514", "no")) : Promise.resolve();
    },
    delayMs: 60_000,
  });
  measure("a", "", 1);
  await flush();
  await flush();
  measure("b", "", 1);
  measure("c", "", 1);
  await flush();
  console.error = error;
  assertEquals(groups, [1, 2]);
});

Deno.test("measurements: the number of series is limited", async () => {
  const groups: number[] = [];
  const { measure, flush } = createMeasurements({
    send: (group) => Promise.resolve(groups.push(group.length)),
    maxSeries: 2,
    delayMs: 60_000,
  });
  for (const label of ["a", "b", "c", "a"]) measure("x", label, 1);
  await flush();
  for (const label of ["c", "d"]) measure("x", label, 1);
  await flush();
  assertEquals(groups, [2, 2]);
});
