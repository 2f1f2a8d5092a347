import { assert, assertEquals } from "../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../../tests/support/property.ts";
import type { Click } from "./lines.ts";
import { Pace } from "../limits/visit_rate.ts";
import { Repeats, ROWS } from "./repeats.ts";
import { Sieve } from "../limits/sieve.ts";

const NOON = Date.UTC(2026, 10, 21, 12);
const click = (t: number): Click => ({ code: "demo2345", t, p: "ios" });

/** Gives clicks rows as the function does; says how many got one of their own. */
function rowsOf(repeats: Repeats, key: string, times: Iterable<number>): number {
  let rows = 0;
  for (const time of times) {
    const row = repeats.rowOf(time, "demo2345", key);
    assertEquals(repeats.take(click(time), key), row);
    if (row === undefined) rows++;
  }
  return rows;
}
const many = (n: number, from = NOON) => Array.from({ length: n }, (_, i) => from + i);

Deno.test("Repeats: up to 60 clicks per hour have a row each, then they count on the last row", () => {
  const repeats = new Repeats();
  assertEquals(rowsOf(repeats, "a", many(ROWS)), ROWS);
  assertEquals(rowsOf(repeats, "a", many(1000, NOON + 1000)), 0);
  assertEquals(repeats.rowOf(NOON + 5000, "demo2345", "a")?.t, NOON + ROWS - 1);
  assertEquals(rowsOf(repeats, "b", many(100)), ROWS, "another one");
  assertEquals(rowsOf(repeats, "a", many(100, NOON + 3_600_000)), ROWS, "another hour");
});

Deno.test("Repeats: a click that has its own row anyway becomes the last one", () => {
  const repeats = new Repeats();
  rowsOf(repeats, "a", many(ROWS));
  const withToken = { ...click(NOON + 999), o: "abcdefgh234567ab" };
  assertEquals(repeats.take(withToken, "a"), undefined, "its token has to be found again");
  assertEquals(repeats.take({ ...withToken, t: NOON + 1000 }, "a"), withToken);
  assertEquals(repeats.rowOf(NOON + 1000, "demo2345", "a")?.t, NOON + 999);
});

Deno.test("Repeats: with more visitors than it holds it starts over and continues", () => {
  const repeats = new Repeats(10);
  for (let i = 0; i < 11; i++) assertEquals(rowsOf(repeats, `n${i}`, many(ROWS)), ROWS);
  assertEquals(rowsOf(repeats, "n0", many(1000)), 1, "one more, and that is the last one again");
});

Deno.test("Pace: allows so many visits per minute for each network and link, then returns the wait", () => {
  const pace = new Pace();
  const take = (key: string, at: number) => pace.take(NOON + at, key, "demo2345", 3);
  assertEquals([take("a", 0), take("a", 0), take("a", 10_000), take("a", 15_000)], [0, 0, 0, 45_000]);
  assertEquals([take("b", 15_000), take("a", 59_999), take("a", 60_000)], [0, 1, 0]);
});

Deno.test("Pace: with more networks than it holds it starts over and continues", () => {
  const pace = new Pace(10);
  const take = (key: string) => pace.take(NOON, key, "demo2345", 4);
  assertEquals(Array.from({ length: 5 }, () => take("a")), [0, 0, 0, 0, 60_000]);
  for (let i = 0; i < 10; i++) assertEquals([take(`n${i}`), take(`n${i}`), take(`n${i}`)], [0, 0, 0]);
  assertEquals([take("a"), take("a"), take("a")], [0, 0, 60_000]);
});

Deno.test("Sieve: overcounts on hash collisions, and never undercounts", () => {
  const sieve = new Sieve(1000, 64);
  sieve.turn(NOON);
  const counts = new Map<string, number>();
  holds(
    fc.property(
      fc.string({ maxLength: 3 }),
      fc.constantFrom("a", "b"),
      fc.constantFrom("", "c"),
      (...parts) => {
        const key = JSON.stringify(parts), before = counts.get(key) ?? 0;
        assert(sieve.count(...parts) >= before);
        assert(sieve.add(...parts) >= before);
        counts.set(key, before + 1);
      },
    ),
    { cases: 500 },
  );
  assertEquals([sieve.turn(NOON + 999), sieve.turn(NOON + 1000), sieve.count("", "a")], [false, true, 0]);
});

Deno.test("Sieve: visitors of a link rarely share a number", () => {
  const sieve = new Sieve(1000);
  sieve.turn(NOON);
  let shared = 0;
  for (let i = 0; i < 10_000; i++) if (sieve.add("demo2345", `198.51.${i >> 8}.${i & 255}`) > 0) shared++;
  assert(shared < 500, `${shared} of 10,000`);
});
