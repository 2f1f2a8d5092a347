/** Names of countries, in the language of the reader's browser. */
import { COUNTRY_CODES } from "../../../../../supabase/functions/_shared/contract/words/countries.ts";

const names = new Intl.DisplayNames("en", { type: "region" });

/** Options for a select, sorted by name: `{ value: "DE", label: "Germany (DE)" }`. */
export const COUNTRIES: { value: string; label: string }[] = COUNTRY_CODES
  .map((code) => ({ value: code, label: `${names.of(code)} (${code})` }))
  .sort((a, b) => a.label.localeCompare(b.label, "en"));
