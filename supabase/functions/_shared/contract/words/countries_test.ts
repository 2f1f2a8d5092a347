import { assertEquals } from "../../../../../tests/support/assert.ts";
import { COUNTRY_CODES } from "./countries.ts";

/** Regions that CLDR names and ISO 3166-1 does not assign: reserved, private or unknown. */
const NO_COUNTRIES = "AC CP CQ DG EA EU EZ IC QO TA UN XA XB ZZ".split(" ");

Deno.test("COUNTRY_CODES: each country that CLDR knows is there once, in order, and nothing else", () => {
  const names = new Intl.DisplayNames("en", { type: "region", fallback: "none" });
  const letters = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"];
  const known = letters.flatMap((one) => letters.map((two) => one + two)).filter((code) =>
    names.of(code) !== undefined && new Intl.Locale(`und-${code}`).region === code &&
    !NO_COUNTRIES.includes(code)
  );
  assertEquals(COUNTRY_CODES, known);
  assertEquals(COUNTRY_CODES.length, 249 + 1, "the codes of ISO 3166-1, and Kosovo's");
});
