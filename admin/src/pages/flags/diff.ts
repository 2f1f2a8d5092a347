/** What differs between two states of a flag. */
import type { Metadata } from "../../data/flags.ts";

export interface FlagState {
  value: string;
  metadata: Metadata;
}

/** One difference; undefined: it was not, or is not there any more. */
export interface Difference {
  /** `value`, or a member of the metadata. */
  name: string;
  from: string | undefined;
  to: string | undefined;
}

const text = (value: unknown): string | undefined =>
  value === undefined ? undefined : typeof value === "string" ? value : JSON.stringify(value);

/** All differences, the state first. Null stands for a flag that was not there. */
export function differences(before: FlagState | null, after: FlagState | null): Difference[] {
  const found: Difference[] = [];
  const compare = (name: string, from: unknown, to: unknown) => {
    if (text(from) !== text(to)) found.push({ name, from: text(from), to: text(to) });
  };
  compare("value", before?.value, after?.value);
  const names = new Set([...Object.keys(before?.metadata ?? {}), ...Object.keys(after?.metadata ?? {})]);
  for (const name of [...names].sort()) compare(name, before?.metadata[name], after?.metadata[name]);
  return found;
}
