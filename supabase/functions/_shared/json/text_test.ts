import { assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { isStorableText, storableText } from "./text.ts";
import { holds } from "../../../../tests/support/property.ts";

Deno.test("storableText() replaces NULs and lone surrogates, each by one character", () => {
  for (
    const [text, stored] of [
      ["", ""],
      ["a\0b\0", "a\ufffdb\ufffd"],
      ["\ud800x", "\ufffdx"],
      ["x\udc00", "x\ufffd"],
      ["\ud83d\0\ude00", "\ufffd\ufffd\ufffd"],
      ["😀 é", "😀 é"],
    ]
  ) assertEquals(storableText(text), stored);
});

Deno.test("storableText() returns storable text, and leaves storable text unchanged", () => {
  holds(
    fc.property(fc.string({ unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)) }), (text) => {
      const stored = storableText(text);
      assertEquals(isStorableText(stored), true);
      assertEquals(stored === text, isStorableText(text));
      assertEquals(stored.length, text.length);
    }),
  );
});
