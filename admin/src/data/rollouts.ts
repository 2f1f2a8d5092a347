/** Rollouts as the panel reads them. */
import type { RolloutState } from "../../../supabase/functions/_shared/contract/states.ts";
import type { UseQueryResult } from "@tanstack/react-query";
import type { Row } from "../../../supabase/functions/_shared/contract/sql.ts";
import { client } from "./client.ts";
import { containing, olderThan } from "./conditions.ts";
import { type LivePagesOptions, type Pages, useLivePages } from "./pages.ts";
import { allRows, LIVE_MS, MAX_ROWS, unwrap, useRead, useRows } from "./query.ts";
import type { Refusal } from "./refusal.ts";

export type { RolloutState };

/** The columns of `rollouts` that are shown. */
export type Rollout = Pick<
  Row<"rollouts">,
  | "id"
  | "flag_key"
  | "plan"
  | "state"
  | "stage"
  | "stage_started_at"
  | "hold_reason"
  | "version"
  | "created_at"
  | "created_by"
  | "started_at"
  | "finished_at"
>;

/** A row of `rollout_stages`. */
export type Stage = Row<"rollout_stages">;

/** The columns of `rollout_events` that are shown. */
export type RolloutEvent = Omit<
  Row<"rollout_events">,
  "rollout_id" | "message" | "rollout_version" | "setting_version"
>;

const COLUMNS =
  "id,flag_key,plan,state,stage,stage_started_at,hold_reason,version,created_at,created_by,started_at,finished_at";

/** Rollouts of a page. */
const PAGE = 50;
const UNDER_WAY = ["running", "paused"] as const;
const OPEN = ["draft", ...UNDER_WAY] as const;

/** Which rollouts a list shows. */
export interface RolloutFilter {
  /** Part of the flag's key. */
  search: string;
  which: "all" | "open" | "over";
}

/** Rollouts in pages, newest first. */
export function rolloutPages({ search, which }: RolloutFilter): LivePagesOptions<Rollout> {
  return {
    key: ["rollouts", { search, which }],
    read: (last) => {
      let rows = client().from("rollouts").select(COLUMNS);
      if (search) rows = rows.ilike("flag_key", containing(search));
      if (which === "open") rows = rows.in("state", [...OPEN]);
      if (which === "over") rows = rows.not("state", "in", `(${OPEN.join()})`);
      if (last) rows = rows.or(olderThan("created_at", last));
      return unwrap(
        rows.order("created_at", { ascending: false }).order("id", { ascending: false }).limit(PAGE),
      );
    },
    size: PAGE,
    every: LIVE_MS / 2,
  };
}

/** The rollouts under way, of which a flag has at most one; optionally of one flag. Polled. */
export function useRolloutsUnderWay(flag?: string): UseQueryResult<Rollout[], Refusal> {
  return useRead(["rollouts", "under way", { flag }], () =>
    allRows<Rollout>((db, last) => {
      let rows = db.from("rollouts").select(COLUMNS).in("state", [...UNDER_WAY]);
      if (flag !== undefined) rows = rows.eq("flag_key", flag);
      if (last) rows = rows.gt("id", last.id);
      return rows.order("id").limit(MAX_ROWS);
    }), { every: LIVE_MS / 2 });
}

/** One rollout, as a list of one item or none. */
export function useRollout(id: string): UseQueryResult<Rollout[], Refusal> {
  return useRows(
    ["rollouts", { id }],
    (client) => client.from("rollouts").select(COLUMNS).eq("id", id).limit(1),
    {
      every: LIVE_MS / 2,
    },
  );
}

/** The stages of a rollout, in order. */
export function useStages(id: string): UseQueryResult<Stage[], Refusal> {
  return useRows(
    ["rollout_stages", { id }],
    (client) =>
      client.from("rollout_stages").select("*").eq("rollout_id", id).order("position").limit(MAX_ROWS),
    { every: LIVE_MS / 2 },
  );
}

/** Where a rollout stands: what the guard counted in its stage, and the plan. */
export interface Progress {
  guard: { seen?: { n: number; failed: number; timed: number; late: number } } | null;
  stages: Pick<Stage, "position" | "percentage" | "hold_minutes" | "min_samples" | "advance_when">[];
}

/** Rollouts whose ids fit into one address. */
const TOGETHER = 100;

/** Where these rollouts stand, by id. Polled. */
export function useProgress(ids: readonly string[]): UseQueryResult<Map<string, Progress>, Refusal> {
  return useRead(["rollout_progress", { ids }], async () => {
    const parts: Promise<[string, Progress][]>[] = [];
    for (let n = 0; n < ids.length; n += TOGETHER) parts.push(progressOf(ids.slice(n, n + TOGETHER)));
    return new Map((await Promise.all(parts)).flat());
  }, { every: LIVE_MS / 2, enabled: ids.length > 0 });
}

async function progressOf(ids: readonly string[]): Promise<[string, Progress][]> {
  const [rollouts, stages] = await Promise.all([
    unwrap(client().from("rollouts").select("id,guard").in("id", [...ids]).limit(ids.length)),
    allRows<Progress["stages"][number] & { rollout_id: string }>((db, last) => {
      const rows = db.from("rollout_stages")
        .select("rollout_id,position,percentage,hold_minutes,min_samples,advance_when").in("rollout_id", [
          ...ids,
        ]);
      return (last
        ? rows.or(
          `rollout_id.gt.${last.rollout_id},and(rollout_id.eq.${last.rollout_id},position.gt.${last.position})`,
        )
        : rows).order("rollout_id").order("position").limit(MAX_ROWS);
    }),
  ]);
  const plans = Map.groupBy(stages, ({ rollout_id }) => rollout_id);
  return rollouts.map(({ id, guard }) => [
    id,
    { guard: guard as Progress["guard"], stages: plans.get(id) ?? [] },
  ]);
}

/** Events of a page. */
const EVENTS = 200;

/** The events of a rollout in pages, newest first, with their evidence. */
export const useRolloutEvents = (rollout: string): Pages<RolloutEvent> =>
  useLivePages<RolloutEvent>({
    key: ["rollout_events", { rollout }],
    read: (last) => {
      const rows = client().from("rollout_events")
        .select("id,at,kind,stage,verdict,rule,figures,evidence,actor,reason").eq("rollout_id", rollout)
        .order("at", { ascending: false }).order("id", { ascending: false }).limit(EVENTS);
      return unwrap(last ? rows.or(olderThan("at", last)) : rows);
    },
    size: EVENTS,
    every: LIVE_MS / 2,
  });

/** Keys that a change of a rollout invalidates. */
export const MOVED = [
  "rollouts",
  "rollout_stages",
  "rollout_progress",
  "rollout_events",
  "watch_rollout",
  "settings",
  "settings_history",
  "overview",
];

/** Whether the rollout is in progress. */
export const underWay = ({ state }: Pick<Rollout, "state">): boolean =>
  state === "running" || state === "paused";
