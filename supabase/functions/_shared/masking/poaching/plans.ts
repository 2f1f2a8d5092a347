/**
 * Whether digits can be a phone number, by numbering plan. Pure.
 *
 * @module
 */
import { PHONE_PLANS } from "./phone_plans.ts";

interface Plan {
  code: string;
  /** Digits before a national number inside of the country, "" where there are none. */
  prefix: string;
  lengths: ReadonlySet<number>;
  first: string;
}

const PLANS = new Map(
  PHONE_PLANS.trim().split("\n").map((line): [string, Plan] => {
    const [country, code, prefix, lengths, first] = line.split(" ");
    return [country, {
      code,
      prefix: prefix === "-" ? "" : prefix,
      lengths: new Set(lengths.split(",").map(Number)),
      first,
    }];
  }),
);
const BY_CODE = new Map<string, Plan[]>();
for (const plan of PLANS.values()) BY_CODE.set(plan.code, [...BY_CODE.get(plan.code) ?? [], plan]);

/** The countries of the five languages, used where an organisation names none. */
export const COUNTRIES: readonly string[] = [
  "US",
  "CA",
  "GB",
  "IE",
  "AU",
  "ES",
  "MX",
  "FR",
  "BE",
  "CH",
  "PT",
  "BR",
  "DE",
  "AT",
];

const fits = (plan: Plan, digits: string) =>
  plan.lengths.has(digits.length) && plan.first.includes(digits[0]);

/**
 * `international`: a calling code and a possible number of that country. `national`: possible as people of one
 * of the countries write it, with the prefix where there is one. `local`: possible without an area code, which
 * many other numbers are too. `none` otherwise.
 */
export type Possible = "international" | "national" | "local" | "none";

/**
 * Judges a run of digits.
 * @param abroad Whether it begins with a plus sign or with 00
 */
export function possible(digits: string, abroad: boolean, countries: readonly string[]): Possible {
  const bare = digits.startsWith("00") ? digits.slice(2) : digits;
  if ((abroad || digits.startsWith("00")) && isInternational(bare)) return "international";
  let local = false;
  for (const country of countries) {
    const plan = PLANS.get(country);
    if (plan === undefined) continue;
    // In Brazil the prefix calls for a carrier, and nobody writes it.
    const needed = plan.prefix === "0" && country !== "BR";
    const stripped = plan.prefix !== "" && digits.startsWith(plan.prefix)
      ? digits.slice(plan.prefix.length)
      : digits;
    if (
      needed
        ? stripped !== digits && stripped.length >= 7 && fits(plan, stripped)
        : digits.length >= 9 && (fits(plan, stripped) || fits(plan, digits))
    ) {
      return "national";
    }
    if (digits.length >= 11 && digits.startsWith(plan.code) && fits(plan, digits.slice(plan.code.length))) {
      return "national";
    }
    local ||= digits.length === 7 && plan.code === "1" && fits({ ...plan, lengths: new Set([7]) }, digits);
    local ||= digits.length >= 7 && digits.length < 9 && fits(plan, digits);
  }
  return local ? "local" : "none";
}

function isInternational(digits: string): boolean {
  for (let length = 1; length <= 3; length++) {
    const national = digits.slice(length);
    const plans = BY_CODE.get(digits.slice(0, length));
    // Many write the prefix as well, which a call from abroad does without.
    const isOf = (plan: Plan) =>
      fits(plan, national) ||
      plan.prefix !== "" && national.startsWith(plan.prefix) &&
        fits(plan, national.slice(plan.prefix.length));
    if (plans?.some(isOf)) return true;
  }
  return false;
}
