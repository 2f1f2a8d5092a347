/** The table of numbering plans is what libphonenumber's metadata says. */
import metadata from "libphonenumber-js/min/metadata";
import parsePhoneNumber, { getCountryCallingCode } from "libphonenumber-js/min";
import fc from "fast-check";
import { assert, assertEquals } from "../support/assert.ts";
import { holds } from "../support/property.ts";
import { PHONE_PLANS, phonePlansModule } from "../../tools/docs/phone_plans.ts";
import { possible } from "../../supabase/functions/_shared/masking/poaching/plans.ts";

Deno.test("phone plans: the table is current", async () => {
  assertEquals(
    await Deno.readTextFile(PHONE_PLANS),
    phonePlansModule(),
    "make it anew: deno run -A tools/docs/phone_plans.ts",
  );
});

Deno.test("phone plans: a valid number with its calling code is possible", () => {
  const countries = Object.keys(metadata.countries) as (keyof typeof metadata.countries)[];
  let valid = 0;
  holds(
    fc.property(fc.constantFrom(...countries), fc.stringMatching(/^\d{4,14}$/), (country, national) => {
      const digits = getCountryCallingCode(country) + national;
      const parsed = parsePhoneNumber(`+${digits}`);
      // The library completes local numbers of some countries; they are none from abroad.
      if (!parsed?.isValid() || parsed.number !== `+${digits}`) return;
      valid++;
      assertEquals([digits, possible(digits, true, [])], [digits, "international"]);
    }),
    { cases: 20_000 },
  );
  assert(valid > 50, `${valid} valid numbers`);
});
