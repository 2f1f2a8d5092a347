/** Flags: their rows, and the changes that several pages make. */
import type { UseQueryResult } from "@tanstack/react-query";
import type { Row } from "../../../supabase/functions/_shared/contract/sql.ts";
import { audience } from "../../../supabase/functions/_shared/contract/words/flags.ts";
import { withoutPast } from "../../../supabase/functions/_shared/flags/schedule.ts";
import { client } from "./client.ts";
import { type LivePagesOptions, mapItems, type Pages, useLivePages } from "./pages.ts";
import { LIVE_MS, MAX_ROWS, rpc, unwrap, useChange, useRead, useRows } from "./query.ts";
import { Refusal } from "./refusal.ts";

/** A flag's row in `settings`. Its value is `true` or `false`. */
export type Flag = Pick<
  Row<"settings">,
  "key" | "value" | "metadata" | "version" | "updated_at" | "updated_by"
>;

const COLUMNS = "key,value,metadata,version,updated_at,updated_by";
/** Flags of a page. */
const PAGE = 100;

/** Which flags a list shows, and in which order. */
export interface FlagFilter {
  /** Part of the key or of the description. */
  search?: string;
  state?: "on" | "off";
  /** Those that are on come first; otherwise all are in the order of their keys. */
  onFirst?: boolean;
}

/** Flags in pages. */
export function flagPages({ search = "", state, onFirst = false }: FlagFilter): LivePagesOptions<Flag> {
  const filter = { ...(search && { search }), ...(state && { state }), ...(onFirst && { on_first: true }) };
  return {
    key: ["settings", "flags", filter],
    read: (last) =>
      rpc("list_flags", {
        p_filter: { ...filter, ...(last && { after: last.key, after_value: last.value }) },
        p_limit: PAGE,
      }),
    size: PAGE,
    every: LIVE_MS / 2,
  };
}

/** Flags in pages, polled. */
export const useFlagPages = (filter: FlagFilter): Pages<Flag> => useLivePages(flagPages(filter));

/** One flag, polled; null if there is none of this key. */
export function useFlag(key: string): UseQueryResult<Flag | null, Refusal> {
  return useRead(
    ["settings", "flag", key],
    async () => (await unwrap(client().from("settings").select(COLUMNS).eq("key", key).limit(1)))[0] ?? null,
    { every: LIVE_MS / 2, enabled: key !== "" },
  );
}

/** Of these keys, the flags that exist, polled. */
export function useFlagsNamed(keys: readonly string[]): UseQueryResult<Flag[], Refusal> {
  return useRows(
    ["settings", "flags", { keys }],
    (db) => db.from("settings").select(COLUMNS).in("key", [...keys]).limit(keys.length),
    { enabled: keys.length > 0 },
  );
}

/** Flags that are on and target a segment, at this moment. @throws {Refusal} */
export function readFlagsTargeting(segment: string): Promise<Flag[]> {
  return rpc("list_flags", { p_filter: { state: "on", segment }, p_limit: MAX_ROWS - 1 });
}

/** Whether the flag is on for anybody. */
export const isOn = (flag: Pick<Flag, "value">): boolean => flag.value === "true";

/** Keys that a change of a flag invalidates. */
export const TOUCHED = ["settings", "settings_history", "overview", "rollouts"];

/** Returns the flags with one of them changed, for optimistic updates. */
export function foreseen(key: string, change: Partial<Flag>) {
  return {
    key: ["settings"],
    data: (before: unknown) => {
      const changed = (flag: Flag): Flag => flag.key === key ? { ...flag, ...change } : flag;
      const isOne = before !== null && typeof before === "object" && "key" in before;
      return before === null ? null : isOne ? changed(before as Flag) : mapItems(before, changed);
    },
  };
}

/**
 * Restores what a flag was before a version, if nothing has changed it since. The history is asked, because what a page shows
 * may be older: switching off takes any version.
 */
export async function undone(key: string, version: number): Promise<string> {
  const [step] = await unwrap<Pick<Row<"settings_history">, "before">[]>(
    client().from("settings_history").select("before").eq("key", key).eq("version", version)
      .limit(1),
  );
  if (!step?.before) throw new Refusal("GL404", "There is nothing to go back to.");
  const flag = await rpc("set_setting", {
    p_key: key,
    p_value: step.before.value,
    p_metadata: withoutPast(step.before.metadata, Date.now()),
    p_expected_version: version,
    p_reason: `version ${version} undone in the panel`,
  });
  if (!key.endsWith(".enabled")) return `Undone: ${key} is as before.`;
  return flag.value === "true"
    ? `Undone: ${key} is on for ${audience(flag)} again.`
    : `Undone: ${key} is off, as before.`;
}

/** Turns a flag off, whatever its version: switching off always wins over concurrent changes. */
export function useSwitchOff() {
  return useChange<{ flag: Flag; reason: string | null }, number | null>({
    act: ({ flag: { key }, reason }) =>
      rpc("switch_off", { p_key: key, p_reason: reason ?? "turned off in the panel" }),
    touches: TOUCHED,
    foresee: ({ flag }) => [foreseen(flag.key, { value: "false" })],
    said: (_version, { flag: { key, metadata } }) =>
      `${key} is off. This takes effect within 5 seconds.${
        metadata.schedule?.on_at ? " Its scheduled start was removed." : ""
      }`,
    // null: it was off already.
    undo: (version, { flag }) => version === null ? undefined : () => undone(flag.key, version),
  });
}

/** Arguments of `set_flag`; null removes a member. */
export interface Changes {
  on?: boolean;
  percentage?: number | null;
  prerequisites?: string[] | null;
  on_at?: string | null;
  off_at?: string | null;
  description?: string | null;
  client?: boolean;
}

export interface SetFlag {
  key: string;
  changes: Changes;
  /** The version that was shown; 0 creates a flag. */
  version: number;
  reason: string | null;
  /** The row as it will be after the change. */
  foresee?: Partial<Flag>;
}

/** A versioned change. `onConflict`, if given, is called for a conflict instead of showing a notification. */
export function useSetFlag(onConflict?: (refusal: Refusal, args: SetFlag) => void) {
  return useChange<SetFlag, Flag>({
    act: ({ key, changes, version, reason }) =>
      rpc("set_flag", { p_key: key, p_changes: changes, p_expected_version: version, p_reason: reason }),
    touches: TOUCHED,
    foresee: ({ key, foresee }) => foresee ? [foreseen(key, foresee)] : [],
    said: (flag) =>
      flag.value === "true"
        ? `${flag.key} is on for ${audience(flag)}. This takes effect within 5 seconds.`
        : `${flag.key} was changed. It is off.`,
    undo: (flag, { version }) => version === 0 ? undefined : () => undone(flag.key, flag.version),
    onRefused: (refusal, args) => {
      if (!refusal.conflict || !onConflict) return false;
      onConflict(refusal, args);
      return true;
    },
  });
}

/** Called when another change came first, with the wanted change and the version it was based on. */
export type OnConflict = (refusal: unknown, args: SetFlag) => void;
