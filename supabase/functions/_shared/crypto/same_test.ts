import { assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { same } from "./same.ts";
import { holds } from "../../../../tests/support/property.ts";

Deno.test("same() is equality", () => {
  const text = fc.string({ unit: "binary" });
  holds(fc.property(text, text, (a, b) => {
    assertEquals(same(a, b), a === b);
    assertEquals(same(a, `${a}`), true);
  }));
});

Deno.test("same(): repetitions and parts of what is expected are not equal to it", () => {
  for (const shown of ["", "a", "aba", "abab", "ba", "ab\0"]) assertEquals(same("ab", shown), false);
  for (const shown of ["\0", "a"]) assertEquals(same("", shown), false);
});
