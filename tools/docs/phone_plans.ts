/**
 * `deno run -A tools/docs/phone_plans.ts` writes the table of numbering plans that detection uses, from the
 * metadata of libphonenumber-js. The package itself is not deployed: a function is uploaded with all files of
 * each package, thirteen megabytes here, and detection needs lengths and first digits alone.
 * tests/contracts/phone_plans_test.ts compares them.
 */
import metadata from "libphonenumber-js/min/metadata";
import { FUNCTIONS, join } from "../../lib/paths.ts";

/** Path of the table. */
export const PHONE_PLANS: string = join(FUNCTIONS, "_shared", "masking", "poaching", "phone_plans.ts");

/** What the metadata holds of a country: calling code, prefix abroad, pattern, lengths, formats, own prefix. */
type Country = readonly [string, string, string, readonly number[], unknown?, (string | 0)?];

/** The first digits that a plan's pattern allows, found by trying numbers. */
function firstDigits([, , pattern, lengths]: Country): string {
  const whole = new RegExp(`^(?:${pattern})$`);
  // A generator of our own: the table must not change from run to run.
  let state = 1;
  const digit = () => (state = (state * 48271) % 2147483647) % 10;
  return [..."0123456789"].filter((first) =>
    lengths.some((length) => {
      for (let tries = 0; tries < 4000; tries++) {
        if (whole.test(first + Array.from({ length: length - 1 }, digit).join(""))) return true;
      }
      return false;
    })
  ).join("");
}

/** The module's text. */
export function phonePlansModule(): string {
  const countries = Object.entries(metadata.countries as unknown as Record<string, Country>);
  const lines = countries.sort(([a], [b]) => a < b ? -1 : 1).map(([code, country]) =>
    [code, country[0], country[5] || "-", country[3].join(","), firstDigits(country)].join(" ")
  );
  return `/**
 * Numbering plans by country, made by tools/docs/phone_plans.ts from the metadata of libphonenumber-js: country,
 * calling code, prefix inside of the country, lengths of national numbers, their first digits.
 *
 * @module
 */

/** One line a country, members separated by spaces. */
export const PHONE_PLANS: string = \`
${lines.join("\n")}
\`;
`;
}

if (import.meta.main) await Deno.writeTextFile(PHONE_PLANS, phonePlansModule());
