/** Reads rollouts for the command line. */
import { eventInWords } from "../../../supabase/functions/_shared/contract/words/rollouts.ts";
import type { Row } from "../../../supabase/functions/_shared/contract/sql.ts";
import type { Api } from "../../core/api.ts";
import { CliError } from "../../core/errors.ts";
import { isId } from "../../core/values.ts";

/** A row of `rollouts`, with the columns that are shown. */
export type Rollout = Pick<
  Row<"rollouts">,
  | "id"
  | "flag_key"
  | "plan"
  | "state"
  | "stage"
  | "stage_started_at"
  | "hold_reason"
  | "guard"
  | "version"
  | "created_at"
  | "created_by"
  | "started_at"
  | "finished_at"
>;

/** A row of `rollout_stages`, without its rollout. */
export type Stage = Omit<Row<"rollout_stages">, "rollout_id" | "overdue_minutes">;

/** A row of `rollout_events`, without its evidence, and with a text instead of its figures. */
export type RolloutEvent =
  & Pick<
    Row<"rollout_events">,
    "id" | "at" | "kind" | "stage" | "verdict" | "rule" | "actor" | "reason"
  >
  & { message: string };

const COLUMNS =
  "id,flag_key,plan,state,stage,stage_started_at,hold_reason,guard,version,created_at,created_by,started_at,finished_at";

/** Rollouts, newest first. */
export function listRollouts(api: Api, limit: number): Promise<Rollout[]> {
  return api.rows((client) =>
    client.from("rollouts").select(COLUMNS).order("created_at", { ascending: false }).limit(limit)
  );
}

/** The current rollout of a flag; undefined if there is none. */
export async function currentRollout(api: Api, flag: string): Promise<Rollout | undefined> {
  const [rollout] = await api.rows((client) =>
    client.from("rollouts").select(COLUMNS).eq("flag_key", flag).in("state", ["running", "paused"])
  );
  return rollout;
}

/**
 * The rollout with an id, or of a flag: the current one, else the newest.
 * @throws {CliError} not_found
 */
export async function rolloutNamed(api: Api, name: string): Promise<Rollout> {
  if (isId(name)) {
    const [rollout] = await api.rows((client) =>
      client.from("rollouts").select(COLUMNS).eq("id", name.toLowerCase())
    );
    if (rollout) return rollout;
  } else {
    const flag = /\.enabled$/.test(name) ? name : `${name}.enabled`;
    const rollout = await currentRollout(api, flag) ??
      (await api.rows((client) =>
        client.from("rollouts").select(COLUMNS).eq("flag_key", flag).order("created_at", { ascending: false })
          .limit(1)
      ))[0];
    if (rollout) return rollout;
  }
  throw new CliError("not_found", `There is no rollout ${name}.`, "gatelink rollout list shows them.");
}

/** The stages of a rollout, in order. */
export function stagesOf(api: Api, id: string): Promise<Stage[]> {
  return api.rows((client) =>
    client.from("rollout_stages").select(
      "position,name,percentage,user_ids,segments,users,among,chosen,hold_minutes,min_samples,advance_when,roll_back_when,first_day,metrics,entered_at,left_at",
    ).eq("rollout_id", id).order("position")
  );
}

/** The events of a rollout, oldest first. */
export async function eventsOf(api: Api, id: string): Promise<RolloutEvent[]> {
  const rows = await api.rows((client) =>
    client.from("rollout_events").select("id,at,kind,stage,verdict,rule,figures,actor,reason").eq(
      "rollout_id",
      id,
    )
      .order("at").order("id")
  );
  return rows.map(({ id, at, kind, stage, verdict, rule, figures, actor, reason }) => {
    const message = eventInWords({ kind, verdict, rule, figures });
    return { id, at, kind, stage, verdict, rule, message, actor, reason };
  });
}
