/** Names of countries, in the language of the reader's browser. */
import { COUNTRY_CODES } from "../../../../../supabase/functions/_shared/contract/words/countries.ts";

const names = new Intl.DisplayNames("en", { type: "region" });

/** Codes of proxies that are no country. */
const OTHERS: Record<string, string> = { XX: "Unknown", T1: "Tor network" };

/** The name of a country by its code; a code that no list knows is shown with a word, never alone. */
export function countryName(code: string): string {
  if (Object.hasOwn(OTHERS, code)) return OTHERS[code];
  const name = /^[A-Z]{2}$/.test(code) ? names.of(code) : undefined;
  return name === undefined || name === code ? `Unknown country (${code})` : name;
}

/** Options for a select, sorted by name: `{ value: "DE", label: "Germany (DE)" }`. */
export const COUNTRIES: { value: string; label: string }[] = COUNTRY_CODES
  .map((code) => ({ value: code, label: `${names.of(code)} (${code})` }))
  .sort((a, b) => a.label.localeCompare(b.label, "en"));
