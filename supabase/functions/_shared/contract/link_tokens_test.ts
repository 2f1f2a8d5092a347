import fc from "fast-check";
import { assertEquals } from "../../../../tests/support/assert.ts";
import { holds } from "../../../../tests/support/property.ts";
import arriving from "../../../../tests/cases/tokens.json" with { type: "json" };
import { randomToken } from "../crypto/tokens.ts";
import { tokenIn } from "./link_tokens.ts";

for (const { text, token } of arriving) {
  Deno.test(`tokenIn() reads ${JSON.stringify(text)}`, () => assertEquals(tokenIn(text), token ?? undefined));
}

Deno.test("tokenIn() finds each issued token in any spelling", () => {
  const bracket = fc.constantFrom(...[
    "[]",
    "［］",
    "【】",
    "（）",
    "()",
    "«»",
    "〔〕",
    "『』",
    "{}",
    "<>",
    "  ",
  ]);
  const blank = fc.constantFrom("", " ", "\u00a0", "\u200e", "\u2068", "\n", "\u3000");
  holds(
    fc.property(
      fc.string({ unit: "grapheme", maxLength: 20 }),
      bracket,
      blank,
      blank,
      fc.constantFrom(":", "：", "﹕"),
      fc.boolean(),
      fc.boolean(),
      (before, brackets, one, two, colon, upper, closed) => {
        const token = randomToken();
        const written = `${brackets[0]}${one}ref${colon}${two}${token}${closed ? brackets[1] : ""}`;
        assertEquals(tokenIn(`${before} ${upper ? written.toUpperCase() : written}`), token);
      },
    ),
  );
});

Deno.test("tokenIn() does not take a word of letters for a token, except in our brackets", () => {
  holds(fc.property(fc.stringMatching(/^[a-z ]{16,24}$/), (words) => {
    assertEquals(tokenIn(`ref: ${words}`), undefined);
    assertEquals(tokenIn(`(Ref: ${words})`), undefined);
  }));
});
