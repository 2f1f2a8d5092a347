import { assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { type Count, createCounters } from "./counters.ts";
import { holds } from "../../../../tests/support/property.ts";

Deno.test("counters: everything counted is sent once, whatever fails in between", async () => {
  const { warn } = console;
  console.warn = () => {}; // it tells of each failure to send
  const operation = fc.oneof(
    fc.record({
      name: fc.constantFrom("a", "b"),
      label: fc.constantFrom("", "x", "y"),
      n: fc.integer({ min: 1, max: 9 }),
    }),
    fc.record({ name: fc.constantFrom("a", "b"), label: fc.constantFrom("", "x", "y") }),
    fc.constant("flush" as const),
  );
  await holds(fc.asyncProperty(
    fc.array(operation),
    fc.infiniteStream(fc.boolean()),
    async (operations, failures) => {
      const sent: Record<string, number> = {};
      const expected: Record<string, number> = {};
      let healthy = false;
      const counters = createCounters({
        async send(counts: Count[]) {
          await Promise.resolve();
          if (!healthy && failures.next().value) throw new Error("away");
          for (const { name, label, n } of counts) sent[name + label] = (sent[name + label] ?? 0) + n;
        },
        delayMs: 60_000,
      });
      const one = new Map<string, () => void>();
      const flushes: Promise<void>[] = [];
      for (const operation of operations) {
        if (operation === "flush") {
          flushes.push(counters.flush());
          continue;
        }
        const { name, label } = operation, key = name + label;
        const n = "n" in operation ? operation.n : 1;
        if ("n" in operation) counters.count(name, label, n);
        else {
          if (!one.has(key)) one.set(key, counters.counting(name, label));
          one.get(key)!();
        }
        expected[key] = (expected[key] ?? 0) + n;
      }
      await Promise.all(flushes);
      healthy = true;
      await counters.flush();
      assertEquals(sent, expected);
    },
  )).finally(() => console.warn = warn);
});

Deno.test("counters: a burst is sent automatically as one group after the delay", async () => {
  const groups: Count[][] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const counters = createCounters({
    send(counts) {
      groups.push(counts);
      resolve();
      return Promise.resolve();
    },
    delayMs: 10,
  });
  for (let i = 0; i < 1000; i++) counters.count("refused", i % 2 ? "odd" : "even");
  assertEquals(groups, []);
  const alive = setTimeout(() => {}, 5000); // the delay itself does not keep a process alive
  await promise;
  clearTimeout(alive);
  assertEquals(groups, [[{ name: "refused", label: "even", n: 500 }, {
    name: "refused",
    label: "odd",
    n: 500,
  }]]);
});

Deno.test("counters: memory is bounded even if labels are not", async () => {
  let sent: Count[] = [];
  const counters = createCounters({
    send(counts) {
      sent = counts;
      return Promise.resolve();
    },
    delayMs: 60_000,
    maxKeys: 10,
  });
  for (let i = 0; i < 1000; i++) counters.count("x", String(i));
  await counters.flush();
  assertEquals(sent.length, 10);
});
