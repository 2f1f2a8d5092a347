/** Differences between two states of a flag, in words. */
import type { SettingState } from "../../../../supabase/functions/_shared/contract/columns.ts";
import { inZone } from "../../ui/times.ts";

/** One difference; undefined if the member was absent before, or is now. */
export interface Difference {
  /** Name of a member, as the panel calls it. */
  name: string;
  from: string | undefined;
  to: string | undefined;
}

const json = (value: unknown): string => typeof value === "string" ? inZone(value) : JSON.stringify(value);
const list = (value: unknown): string => (value as string[]).join(", ") || "none";
const people = (n: number): string => n === 1 ? "1 person" : `${n} people`;

/** How each member is called and shown. One that this version does not know is shown as it is stored. */
const MEMBERS: Readonly<Record<string, [name: string, say: (value: unknown) => string]>> = {
  value: ["state", (value) => value === "true" ? "on" : value === "false" ? "off" : json(value)],
  rollout_percentage: ["percentage", (value) => `${value} %`],
  target_user_ids: ["people", (value) => people((value as unknown[]).length)],
  target_segments: ["segments", list],
  prerequisites: ["prerequisites", list],
  schedule: ["schedule", (value) => {
    const { on_at, off_at } = value as { on_at?: string; off_at?: string };
    return [on_at && `on ${inZone(on_at)}`, off_at && `off ${inZone(off_at)}`].filter(Boolean).join(", ") ||
      "none";
  }],
  client: ["apps with a publishable key", (value) => value === true ? "may read it" : "may not read it"],
};

const memberOf = (name: string) => Object.hasOwn(MEMBERS, name) ? MEMBERS[name] : undefined;

const text = (value: unknown): string | undefined => value === undefined ? undefined : JSON.stringify(value);

function said(member: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  try {
    return (memberOf(member)?.[1] ?? json)(value);
  } catch {
    // Another version stored something else.
    return json(value);
  }
}

/** All differences, the state first. Null stands for a flag that did not exist. */
export function differences(before: SettingState | null, after: SettingState | null): Difference[] {
  const found: Difference[] = [];
  const compare = (member: string, from: unknown, to: unknown) => {
    if (text(from) === text(to)) return;
    const change = { name: memberOf(member)?.[0] ?? member, from: said(member, from), to: said(member, to) };
    if (member === "target_user_ids") change.to = `${change.to ?? people(0)}${whoChanged(from, to)}`;
    found.push(change);
  };
  compare("value", before?.value, after?.value);
  const names = new Set([...Object.keys(before?.metadata ?? {}), ...Object.keys(after?.metadata ?? {})]);
  for (const name of [...names].sort()) compare(name, before?.metadata[name], after?.metadata[name]);
  return found;
}

/** How many people came and went: a list may have 20,000. */
function whoChanged(from: unknown, to: unknown): string {
  const [before, after] = [from, to].map((ids) => new Set(Array.isArray(ids) ? ids : []));
  const came = [...after].filter((id) => !before.has(id)).length;
  const went = [...before].filter((id) => !after.has(id)).length;
  const parts = [came > 0 && `${came} added`, went > 0 && `${went} removed`].filter(Boolean);
  return parts.length === 0 ? "" : ` (${parts.join(", ")})`;
}
