import { assert, assertEquals } from "../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { PackedCache } from "./packed.ts";
import { holds } from "../../../../../tests/support/property.ts";

const MB = 1 << 20;

Deno.test("PackedCache: whatever was added and not removed is found, after any operations", () => {
  const key = fc.stringMatching(/^[a-z0-9_-]{1,64}$/);
  const step = fc.oneof(
    fc.record({
      do: fc.constant("set" as const),
      key,
      value: fc.string({ unit: "grapheme", maxLength: 300 }),
    }),
    fc.record({ do: fc.constant("delete" as const), key, value: fc.constant("") }),
  );
  holds(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const cache = new PackedCache(8 * MB), model = new Map<string, string>();
    for (const { do: what, key, value } of steps) {
      cache.delete(key);
      model.delete(key);
      if (what === "delete") continue;
      cache.set(key, value);
      model.set(key, value.toWellFormed());
    }
    for (const { key } of steps) assertEquals(cache.get(key), model.get(key));
    assertEquals(cache.size, model.size);
  }));
});

Deno.test("PackedCache: respects its size, and keeps entries that are read repeatedly", () => {
  const cache = new PackedCache(8 * MB);
  cache.set("always", "here");
  for (let i = 0; i < 400_000; i++) {
    cache.set(`code-${i}`, `https://www.example.com/some/path/${i}`);
    if (i % 1000 === 0) assertEquals(cache.get("always"), "here");
    if (i % 10_000 === 0) assert(cache.bytes <= 8 * MB, `${cache.bytes} bytes`);
  }
  assertEquals(cache.get("code-399999"), "https://www.example.com/some/path/399999");
  assertEquals(cache.get("code-0"), undefined);
  assert(cache.size > 50_000, `holds ${cache.size}`);
  cache.clear();
  assertEquals([cache.size, cache.get("always")], [0, undefined]);
});

Deno.test("PackedCache: a deleted entry is gone from both generations, and others are still found", () => {
  const cache = new PackedCache(4 * MB);
  for (let i = 0; i < 30_000; i++) cache.set(`code-${i}`, String(i));
  for (let i = 0; i < 30_000; i += 2) cache.delete(`code-${i}`);
  for (let i = 29_000; i < 30_000; i++) {
    assertEquals(cache.get(`code-${i}`), i % 2 === 0 ? undefined : String(i));
  }
});

Deno.test("PackedCache: does not store entries larger than a generation", () => {
  const cache = new PackedCache(4 * MB);
  cache.set("large", "x".repeat(MB));
  assertEquals(cache.get("large"), undefined);
});
