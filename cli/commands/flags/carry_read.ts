/** What of a stack `flags export` and `flags import` read: every segment, and the last plan of every flag. */
import type { StagePlan } from "../../../supabase/functions/_shared/contract/arguments.ts";
import type { Row } from "../../../supabase/functions/_shared/contract/sql.ts";
import { allRows, type Api, PAGE } from "../../core/api.ts";
import { loadConfig } from "../../core/config.ts";
import { CliError } from "../../core/errors.ts";
import { listFlags } from "./api.ts";
import type { Carried } from "./carried.ts";

type SegmentRow = Pick<Row<"segments">, "key" | "description" | "version">;
type RolloutRow = Pick<Row<"rollouts">, "id" | "flag_key" | "plan" | "state" | "created_at">;

/**
 * What of a stack is carried.
 * @param keys Only these flags; all if empty. @param people Also the people of segments, targets and plans.
 */
export async function carriedOf(api: Api, keys: string[], people: boolean): Promise<Carried> {
  const all = await listFlags(api);
  const missing = keys.find((key) => !all.some((flag) => flag.key === key));
  if (missing !== undefined) {
    throw new CliError("not_found", `There is no flag ${missing}.`, "gatelink flags list");
  }
  const flags = keys.length === 0 ? all : all.filter(({ key }) => keys.includes(key));
  const plans = await draftsOf(api, flags.map(({ key }) => key), people);
  const named = new Set([
    ...flags.flatMap(({ metadata }) => metadata.target_segments ?? []),
    ...plans.flatMap(({ stages }) => stages.flatMap(({ segments }) => segments ?? [])),
  ]);
  const members = people ? (await loadConfig(api)).segments : {};
  const segments = await listSegments(api);
  return {
    gatelink: "flags",
    flags: flags.map(({ key, value, metadata, version }) => {
      const { target_user_ids, schedule: _, launched_at: __, ...kept } = metadata;
      return {
        key,
        value,
        metadata: {
          ...kept,
          ...(target_user_ids === undefined ? {} : { target_user_ids: people ? target_user_ids : [] }),
        },
        version,
      };
    }),
    segments: segments.filter(({ key }) => keys.length === 0 || named.has(key)).map((
      { key, description, version },
    ) => ({
      key,
      description,
      version,
      ...(people ? { members: members[key] ?? [] } : {}),
    })),
    plans,
  };
}

/** All segments, by key. */
export function listSegments(api: Api): Promise<SegmentRow[]> {
  return allRows<SegmentRow>(api, (client, last) => {
    const asked = client.from("segments").select("key,description,version").order("key").limit(PAGE);
    return last === undefined ? asked : asked.gt("key", last.key);
  });
}

/** All rollouts in no particular order, or those that are planned or in progress. */
export function listRollouts(api: Api, under: "all" | "open"): Promise<RolloutRow[]> {
  return allRows<RolloutRow>(api, (client, last) => {
    const asked = client.from("rollouts").select("id,flag_key,plan,state,created_at").order("id").limit(PAGE);
    const some = under === "all" ? asked : asked.in("state", ["draft", "running", "paused"]);
    return last === undefined ? some : some.gt("id", last.id);
  });
}

/** Rollouts whose stages are read at once; a plan has at most 20, so that their stages are fewer than a page. */
const AT_ONCE = 40;

/** The plan of each flag's last rollout. */
async function draftsOf(api: Api, keys: string[], people: boolean): Promise<Carried["plans"]> {
  const latest = new Map<string, RolloutRow>();
  for (const rollout of await listRollouts(api, "all")) {
    const other = latest.get(rollout.flag_key);
    // Times of Postgres have microseconds, which a Date would cut off; in one zone their texts compare as they do.
    if (other === undefined || rollout.created_at > other.created_at) latest.set(rollout.flag_key, rollout);
  }
  const last = keys.flatMap((key) => latest.get(key) ?? []);
  const stagesOf = new Map<string, Row<"rollout_stages">[]>(last.map(({ id }) => [id, []]));
  for (let from = 0; from < last.length; from += AT_ONCE) {
    const ids = last.slice(from, from + AT_ONCE).map(({ id }) => id);
    const stages = await api.rows((client) =>
      client.from("rollout_stages").select("*").in("rollout_id", ids).order("rollout_id").order("position")
        .limit(PAGE)
    );
    for (const stage of stages) stagesOf.get(stage.rollout_id)!.push(stage);
  }
  const plans: Carried["plans"] = [];
  for (const { id, flag_key, plan } of last) {
    const stages = stagesOf.get(id) ?? [];
    plans.push({
      flag_key,
      name: plan,
      stages: stages.map((
        { rollout_id: _, position: __, entered_at: ___, left_at: ____, user_ids, segments, ...stage },
      ) =>
        Object.fromEntries(
          Object.entries({
            ...stage,
            percentage: Number(stage.percentage),
            ...(people && user_ids.length > 0 ? { user_ids } : {}),
            ...(segments.length > 0 ? { segments } : {}),
          }).filter(([, value]) => value !== null && !(Array.isArray(value) && value.length === 0)),
        ) as unknown as StagePlan
      ),
    });
  }
  return plans;
}
