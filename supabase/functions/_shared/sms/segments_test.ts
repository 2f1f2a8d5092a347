import fc from "fast-check";
import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import { holds } from "../../../../tests/support/property.ts";
import { segmentsOf, withPlainCharacters } from "./segments.ts";

const GSM = "aZ9 \n@£éÑΩ~|€[]";

Deno.test("segmentsOf(): alone and joined, in both encodings", () => {
  for (
    const [text, encoding, segments, units, left] of [
      ["", "GSM-7", 1, 0, 160],
      ["a".repeat(160), "GSM-7", 1, 160, 0],
      ["a".repeat(161), "GSM-7", 2, 161, 145],
      ["a".repeat(306), "GSM-7", 2, 306, 0],
      ["a".repeat(307), "GSM-7", 3, 307, 152],
      ["€".repeat(80), "GSM-7", 1, 160, 0],
      // 153 septets hold 76 of them, and half of none.
      ["€".repeat(81), "GSM-7", 2, 162, 143],
      ["€".repeat(153), "GSM-7", 3, 306, 151],
      ["ж".repeat(70), "UCS-2", 1, 70, 0],
      ["ж".repeat(71), "UCS-2", 2, 71, 63],
      ["🐶".repeat(35), "UCS-2", 1, 70, 0],
      ["🐶".repeat(36), "UCS-2", 2, 72, 61],
      // A pair is not split, so 67 units hold 33 of them.
      ["🐶".repeat(67), "UCS-2", 3, 134, 65],
    ] as const
  ) {
    const { outside: _, ...found } = segmentsOf(text);
    assertEquals(found, { encoding, segments, units, left }, `${text.slice(0, 2)} × ${text.length}`);
  }
});

Deno.test("segmentsOf(): names the characters that force UCS-2, each once", () => {
  assertEquals(segmentsOf("It’s 5°, isn’t it?").outside, ["’", "°"]);
  assertEquals(segmentsOf("ABCДЕЖЗИЙКЛМНОП").outside.length, 10);
});

Deno.test("segmentsOf(): one more character never makes fewer segments, and fits if there was room", () => {
  const text = fc.oneof(
    fc.string({ unit: fc.constantFrom(...GSM), maxLength: 700 }),
    fc.string({ unit: fc.constantFrom(...GSM, "ж", "🐶"), maxLength: 700 }),
  );
  holds(fc.property(text, fc.constantFrom(...GSM), (text, char) => {
    const [before, after] = [segmentsOf(text), segmentsOf(text + char)];
    assert(after.segments >= before.segments);
    const size = after.units - before.units;
    if (size <= before.left) assertEquals(after.segments, before.segments);
    else assert(after.segments > before.segments);
  }));
});

Deno.test("withPlainCharacters(): makes typographic text GSM-7, and leaves alone what stays UCS-2", () => {
  assertEquals(withPlainCharacters("“It’s here” – at 5…"), `"It's here" - at 5...`);
  assertEquals(withPlainCharacters("It’s 🐶"), "It’s 🐶");
  holds(fc.property(fc.string({ unit: "grapheme", maxLength: 100 }), (text) => {
    const plain = withPlainCharacters(text);
    assert(plain === text || segmentsOf(plain).encoding === "GSM-7");
  }));
});
