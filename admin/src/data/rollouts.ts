/** Rollouts as the panel reads them. */
import type { RolloutState } from "../../../supabase/functions/_shared/contract/states.ts";
import type { UseQueryResult } from "@tanstack/react-query";
import type { Row } from "../../../supabase/functions/_shared/contract/sql.ts";
import { LIVE_MS, useRows } from "./query.ts";
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

/** The newest rollouts, optionally of one flag. */
export function useRollouts(flag?: string): UseQueryResult<Rollout[], Refusal> {
  return useRows(["rollouts", { flag }], (client) => {
    const rows = client.from("rollouts").select(COLUMNS).order("created_at", { ascending: false }).limit(100);
    return flag === undefined ? rows : rows.eq("flag_key", flag);
  }, { every: LIVE_MS / 2 });
}

/** One rollout, as a list of one item or none. */
export function useRollout(id: string): UseQueryResult<Rollout[], Refusal> {
  return useRows(
    ["rollouts", { id }],
    (client) => client.from("rollouts").select(COLUMNS).eq("id", id),
    {
      every: LIVE_MS / 2,
    },
  );
}

/** The stages of a rollout, in order. */
export function useStages(id: string): UseQueryResult<Stage[], Refusal> {
  return useRows(
    ["rollout_stages", { id }],
    (client) => client.from("rollout_stages").select("*").eq("rollout_id", id).order("position"),
    { every: LIVE_MS / 2 },
  );
}

/** The events of a rollout, newest first, with their evidence. */
export function useRolloutEvents(id: string): UseQueryResult<RolloutEvent[], Refusal> {
  return useRows(
    ["rollout_events", { id }],
    (client) =>
      client.from("rollout_events").select("id,at,kind,stage,verdict,rule,figures,evidence,actor,reason").eq(
        "rollout_id",
        id,
      )
        .order("at", { ascending: false }).order("id", { ascending: false }).limit(200),
    { every: LIVE_MS / 2 },
  );
}

/** Keys that a change of a rollout invalidates. */
export const MOVED = [
  "rollouts",
  "rollout_stages",
  "rollout_events",
  "watch_rollout",
  "settings",
  "settings_history",
  "overview",
];

/** Whether the rollout is in progress. */
export const underWay = ({ state }: Pick<Rollout, "state">): boolean =>
  state === "running" || state === "paused";
