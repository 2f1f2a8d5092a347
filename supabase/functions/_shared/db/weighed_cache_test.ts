import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { Cache } from "./weighed_cache.ts";
import { holds } from "../../../../tests/support/property.ts";

Deno.test("Cache: never exceeds its weight, and returns the value set last", () => {
  const step = fc.oneof(
    fc.record({ set: fc.nat(20), weight: fc.integer({ min: 1, max: 12 }) }),
    fc.record({ get: fc.nat(20) }),
    fc.record({ delete: fc.nat(20) }),
  );
  holds(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const cache = new Cache<number>(10), last = new Map<string, number>();
    steps.forEach((step, i) => {
      if ("set" in step) {
        cache.set(String(step.set), i, step.weight);
        last.set(String(step.set), i);
        assertEquals(cache.get(String(step.set)), step.weight > 10 ? undefined : i);
      } else if ("get" in step) {
        const found = cache.get(String(step.get));
        if (found !== undefined) assertEquals(found, last.get(String(step.get)));
      } else {
        cache.delete(String(step.delete));
        last.delete(String(step.delete));
        assertEquals(cache.get(String(step.delete)), undefined);
      }
      assert(cache.weight <= 10 && cache.weight >= 0);
      if (cache.size === 0) assertEquals(cache.weight, 0);
    });
  }));
});

Deno.test("Cache: used entries stay, unused ones are evicted first", () => {
  const cache = new Cache<number>(3);
  for (const key of ["a", "b", "c"]) cache.set(key, 1);
  cache.get("a");
  cache.get("c");
  cache.set("d", 1);
  assertEquals(["a", "b", "c", "d"].map((key) => cache.get(key) !== undefined), [true, false, true, true]);
});

Deno.test("Cache: if all are used, the oldest is evicted", () => {
  const cache = new Cache<number>(2);
  cache.set("a", 1);
  cache.set("b", 1);
  cache.get("a");
  cache.get("b");
  cache.set("c", 1);
  assertEquals([cache.get("a"), cache.get("b"), cache.get("c")], [undefined, 1, 1]);
});
