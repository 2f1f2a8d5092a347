import { assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { timingSafeEqual } from "./timing_safe_equal.ts";
import { holds } from "../../../../tests/support/property.ts";

Deno.test("timingSafeEqual() is equality", () => {
  const text = fc.string({ unit: "binary" });
  holds(fc.property(text, text, (a, b) => {
    assertEquals(timingSafeEqual(a, b), a === b);
    assertEquals(timingSafeEqual(a, `${a}`), true);
  }));
});

Deno.test("timingSafeEqual(): repetitions and parts of the expected text are not equal to it", () => {
  for (const shown of ["", "a", "aba", "abab", "ba", "ab\0"]) {
    assertEquals(timingSafeEqual("ab", shown), false);
  }
  for (const shown of ["\0", "a"]) assertEquals(timingSafeEqual("", shown), false);
});
