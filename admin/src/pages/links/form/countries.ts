/** Countries by name, in the reader's browser's words. */
import { COUNTRY_CODES } from "../../../../../supabase/functions/_shared/contract/words/countries.ts";

const names = new Intl.DisplayNames("en", { type: "region" });

/** For a list to choose from: `{ value: "DE", label: "Germany (DE)" }`, by name. */
export const COUNTRIES: { value: string; label: string }[] = COUNTRY_CODES
  .map((code) => ({ value: code, label: `${names.of(code)} (${code})` }))
  .sort((a, b) => a.label.localeCompare(b.label, "en"));
