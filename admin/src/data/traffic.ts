/** The two environments: the split between them, and how each of them does. */
import type { UseQueryResult } from "@tanstack/react-query";
import type {
  Health,
  HealthPlainDetailed,
} from "../../../supabase/functions/_shared/contract/http/operation.ts";
import type { TrafficSplit } from "../../../supabase/functions/_shared/contract/answers/traffic.ts";
import type { Row } from "../../../supabase/functions/_shared/contract/sql.ts";
import { GREEN_FLAG } from "../../../supabase/functions/_shared/contract/traffic.ts";
import {
  type Environment,
  ENVIRONMENTS,
  slugOf,
} from "../../../supabase/functions/_shared/http/environment.ts";
import { client, project } from "./client.ts";
import { type Pages, usePages } from "./pages.ts";
import { LIVE_MS, rpc, unwrap, useRead } from "./query.ts";
import { Refusal } from "./refusal.ts";
import { MOVED } from "./rollouts.ts";

export { type Environment, ENVIRONMENTS };

/** What one environment says of itself; null if it does not answer, as green before it is deployed. */
export interface Side {
  version: string | null;
  health: HealthPlainDetailed;
}

/** Both environments by name. Sends no headers, so that it costs one request even from another origin. */
export function useSides(): UseQueryResult<Record<Environment, Side | null>, Refusal> {
  return useRead(["sides"], async () => {
    const [blue, green] = await Promise.all(ENVIRONMENTS.map(readSide));
    return { blue, green };
  });
}

async function readSide(environment: Environment): Promise<Side | null> {
  const [health, about] = await Promise.all([
    asked<HealthPlainDetailed>(environment, "/plain/detailed"),
    asked<Health>(environment, ""),
  ]);
  // A slug that is not deployed is answered by the platform, with JSON of its own.
  return health?.environment === environment ? { health, version: about?.version ?? null } : null;
}

/** What an environment answers, with whatever status. */
function asked<T>(environment: Environment, path: string): Promise<T | undefined> {
  return fetch(`${project().url}/functions/v1/${slugOf("health", environment)}${path}`)
    .then((answer) => answer.json()).catch(() => undefined);
}

/** @throws {Refusal} while green does not answer: visitors must not be sent there */
async function requireGreen(): Promise<void> {
  const found = await asked<{ environment?: string }>("green", "/plain");
  if (found?.environment === "green") return;
  throw new Refusal("conflict", "Green does not answer.", "Deploy it first: gatelink traffic deploy.");
}

/** Sends this percentage of visitors to green. @throws {Refusal} */
export async function setGreen(percentage: number, reason: string | null): Promise<TrafficSplit> {
  if (percentage > 0) await requireGreen();
  return await rpc("set_traffic", { p_environment: "green", p_percentage: percentage, p_reason: reason });
}

/** Begins a ramp by the plan `canary`. @param version Of the split, 0 if there never was one. @throws {Refusal} */
export async function startRamp(version: number, reason: string): Promise<TrafficSplit> {
  await requireGreen();
  if (version === 0) await setGreen(0, reason);
  const draft = await rpc("create_rollout", {
    p_flag_key: GREEN_FLAG,
    p_plan: { template: "canary" },
    p_reason: reason,
  });
  await rpc("start_rollout", { p_id: draft.id, p_expected_version: draft.version, p_reason: reason });
  return await rpc("traffic_split", {});
}

/** Keys that a change of the split invalidates. */
export const SPLIT_CHANGED = ["traffic_split", ...MOVED];

/** A change of the split. */
export type SplitStep = Pick<
  Row<"settings_history">,
  "version" | "before" | "after" | "changed_at" | "changed_by" | "reason"
>;

/** Steps of a page. */
const STEPS = 20;

/** Changes of the split in pages, newest first. */
export const useSplitHistory = (): Pages<SplitStep> =>
  usePages<SplitStep>({
    key: ["settings_history", { key: GREEN_FLAG, size: STEPS }],
    read: (last) => {
      const rows = client().from("settings_history")
        .select("version,before,after,changed_at,changed_by,reason").eq("key", GREEN_FLAG)
        .order("version", { ascending: false }).limit(STEPS);
      return unwrap(last ? rows.lt("version", last.version) : rows);
    },
    size: STEPS,
    idOf: ({ version }) => String(version),
  });

/** Polling interval of the split and the figures, in milliseconds. */
export const TRAFFIC_MS = LIVE_MS / 2;
