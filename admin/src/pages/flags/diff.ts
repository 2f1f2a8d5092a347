/** Differences between two states of a flag. */
import type { SettingState } from "../../../../supabase/functions/_shared/contract/columns.ts";

/** One difference; undefined if the member was absent before, or is now. */
export interface Difference {
  /** `value`, or the name of a metadata member. */
  name: string;
  from: string | undefined;
  to: string | undefined;
}

const text = (value: unknown): string | undefined =>
  value === undefined ? undefined : typeof value === "string" ? value : JSON.stringify(value);

/** A list may have 20,000 entries; a long one is shown as its length. */
const shown = (value: unknown): string | undefined =>
  Array.isArray(value) && value.length > 20 ? `${value.length} entries` : text(value);

/** All differences, the state first. Null stands for a flag that did not exist. */
export function differences(before: SettingState | null, after: SettingState | null): Difference[] {
  const found: Difference[] = [];
  const compare = (name: string, from: unknown, to: unknown) => {
    if (text(from) !== text(to)) found.push({ name, from: shown(from), to: shown(to) });
  };
  compare("value", before?.value, after?.value);
  const names = new Set([...Object.keys(before?.metadata ?? {}), ...Object.keys(after?.metadata ?? {})]);
  for (const name of [...names].sort()) compare(name, before?.metadata[name], after?.metadata[name]);
  return found;
}
