/** What is carried from one stack to another, and how a flag differs from it. Pure. */
import type { StagePlan } from "../../../supabase/functions/_shared/contract/arguments.ts";
import type { FlagMetadata } from "../../../supabase/functions/_shared/contract/columns.ts";
import type { FlagRow } from "./api.ts";

/** The content of an export. */
export interface Carried {
  gatelink: "flags";
  /** Versions are those of the stack that it was read from. */
  flags: { key: string; value: string; metadata: FlagMetadata; version: number }[];
  /** Members only if people are carried. */
  segments: { key: string; description: string; version: number; members?: string[] }[];
  plans: { flag_key: string; name: string; stages: StagePlan[] }[];
}

/** Why a value is no export; undefined if it is one. */
export function carriedFaults(value: unknown): string | undefined {
  const { gatelink, flags, segments, plans } = (value ?? {}) as Record<string, unknown>;
  if (gatelink !== "flags") return "it is not an export of flags";
  const lists = { flags, segments, plans };
  const noList = Object.entries(lists).find(([, list]) => !Array.isArray(list));
  if (noList !== undefined) return `${noList[0]} is not a list`;
  const isObject = (one: unknown) => typeof one === "object" && one !== null && !Array.isArray(one);
  const all = (list: unknown, fits: (one: Record<string, unknown>) => boolean) =>
    (list as unknown[]).every((one) => isObject(one) && fits(one as Record<string, unknown>));
  if (
    !all(
      flags,
      ({ key, value, metadata }) =>
        typeof key === "string" && key.endsWith(".enabled") && (value === "true" || value === "false") &&
        isObject(metadata),
    )
  ) return "a flag needs key, value and metadata";
  if (!all(segments, ({ key, description }) => typeof key === "string" && typeof description === "string")) {
    return "a segment needs key and description";
  }
  if (
    !all(
      plans,
      ({ flag_key, name, stages }) =>
        typeof flag_key === "string" && typeof name === "string" && Array.isArray(stages),
    )
  ) return "a plan needs flag_key, name and stages";
  return undefined;
}

/** What belongs to this stack unless its state is carried too. */
const STATE: readonly string[] = ["rollout_percentage"];
/** What is never carried: it is about this stack alone. */
const OWN: readonly string[] = ["schedule", "launched_at"];

/**
 * The flag as it will be, and the changes in words.
 * @param here The flag of this stack; undefined if it has none.
 */
export function compareFlag(
  there: Pick<FlagRow, "value" | "metadata">,
  here: Pick<FlagRow, "value" | "metadata"> | undefined,
  { withState = false, withPeople = false }: { withState?: boolean; withPeople?: boolean },
): { value: string; metadata: FlagMetadata; changes: string[] } {
  const kept = [...OWN, ...(withState ? [] : STATE), ...(withPeople ? [] : ["target_user_ids"])];
  const from = here?.metadata ?? {};
  const metadata: FlagMetadata = {};
  for (const [name, value] of Object.entries(from)) if (kept.includes(name)) metadata[name] = value;
  for (const [name, value] of Object.entries(there.metadata)) {
    if (!kept.includes(name)) metadata[name] = value;
  }
  // A flag that is on for some only must not come to be on for everybody, because a list or a percentage is missing.
  if (here === undefined && !withState && "rollout_percentage" in there.metadata) {
    metadata.rollout_percentage = 0;
  }
  if (here === undefined && !withPeople && "target_user_ids" in there.metadata) metadata.target_user_ids = [];
  const value = withState ? there.value : here?.value ?? "false";
  const names = [...new Set([...Object.keys(from), ...Object.keys(metadata)])].sort();
  const shown = (one: unknown) =>
    one === undefined ? "none" : Array.isArray(one) ? `${one.length} listed` : JSON.stringify(one);
  return {
    value,
    metadata,
    changes: here === undefined ? [`${value === "true" ? "on" : "off"}`] : [
      ...(value === here.value
        ? []
        : [`${here.value === "true" ? "on" : "off"} -> ${value === "true" ? "on" : "off"}`]),
      ...names.filter((name) => JSON.stringify(from[name]) !== JSON.stringify(metadata[name]))
        .map((name) => `${name}: ${shown(from[name])} -> ${shown(metadata[name])}`),
    ],
  };
}
