/**
 * The checks of a ramp to green: what is there before it, how it goes, and what is left to do after it.
 *
 * Failure policy: closed, as all gates. Lists that are not due yet, or no longer, ask nothing.
 */
import {
  GREEN_ENTRIES,
  phaseGate,
  PHASES,
} from "../../../supabase/functions/_shared/rollouts/green_gates.ts";
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import { readFile } from "node:fs/promises";
import { join } from "../../../lib/paths.ts";
import type { Api } from "../../core/api.ts";
import { SCHEDULED } from "../incidents/postmortem.ts";
import { gatewayOf } from "../traffic/probe.ts";
import { greenAnswers } from "../traffic/green.ts";
import { type Finding, type Gate, type GateContext, none, notApplicable, open, passed } from "./gate.ts";
import { ALERTS } from "./alerts.ts";

const FLAG = "green.enabled";
const DAY_MS = 24 * 3600_000;
/** A rollback that was practised longer ago than this has to be practised again. */
const REHEARSED_WITHIN_DAYS = 90;
/** What 99 % of green's requests have to be below, as the plan's SLA for its API says. */
const P99_MS = 100;
const HEALTHY_MINUTES = 120;

/** A ramp as its gates need it. */
interface Ramp {
  id: string;
  state: string;
  started_at: string | null;
  finished_at: string | null;
  rollout_stages: { percentage: number; entered_at: string | null; left_at: string | null }[];
}

const read = new WeakMap<GateContext, Promise<Ramp | undefined>>();

/** The newest ramp, if it has begun and was not taken back. Read once for all gates. */
function rampOf(world: GateContext): Promise<Ramp | undefined> {
  let ramp = read.get(world);
  if (ramp === undefined) read.set(world, ramp = newest(world.api));
  return ramp;
}

async function newest(api: Api): Promise<Ramp | undefined> {
  const [ramp] = await api.rows<Ramp>((client) =>
    client.from("rollouts")
      .select("id,state,started_at,finished_at,rollout_stages(percentage,entered_at,left_at)")
      .eq("flag_key", FLAG).order("created_at", { ascending: false }).limit(1)
  );
  return ramp !== undefined && ["running", "paused", "completed"].includes(ramp.state) ? ramp : undefined;
}

type RampCheck = (ramp: Ramp, world: GateContext) => Promise<Finding> | Finding;

/** A check that is due once a ramp has begun. */
const during = (check: RampCheck) => async (world: GateContext): Promise<Finding> => {
  const ramp = await rampOf(world);
  return ramp === undefined ? notApplicable("not due before the ramp") : await check(ramp, world);
};

/** A check that is due once the ramp is over. */
const after = (check: RampCheck) => async (world: GateContext): Promise<Finding> => {
  const ramp = await rampOf(world);
  return ramp?.state === "completed"
    ? await check(ramp, world)
    : notApplicable("not due before the ramp is over");
};

/** When a gate that people sign is not asked yet; undefined once it is. */
export async function notDue(section: string, world: GateContext): Promise<Finding | undefined> {
  const due = passed("");
  const found = section === "During a ramp"
    ? await during(({ state }) => state === "completed" ? notApplicable("the ramp is over") : due)(world)
    : section === "After a ramp"
    ? await after(() => due)(world)
    : due;
  return found === due ? undefined : found;
}

/** The share of visitors of a phase was reached, and stayed. */
function phase(share: number): RampCheck {
  return ({ id, state, rollout_stages: stages }) => {
    const stage = stages.find(({ percentage }) => Number(percentage) === share);
    if (stage === undefined) return notApplicable(`the plan of this ramp has no stage of ${share} %`);
    if (stage.entered_at === null) {
      return open("not reached yet", `The guard goes on by itself: gatelink rollout show ${id}`);
    }
    return stage.left_at === null && state !== "completed"
      ? open(
        `under way since ${stage.entered_at}`,
        `The guard goes on by itself: gatelink rollout show ${id}`,
      )
      : passed(`from ${stage.entered_at} to ${stage.left_at ?? "the end"}`);
  };
}

const CHECKS: Readonly<Record<string, Gate["check"]>> = {
  green_infrastructure: infrastructure,
  green_dashboards: dashboards,
  green_alerts: ALERTS.check,
  green_rehearsed: rehearsed,
  green_status_page: statusPage,
  green_contacts: contacts,
  ...Object.fromEntries(PHASES.map((share, index) => [phaseGate(index), during(phase(share))])),
  green_metrics: during(metrics),
  green_no_alerts: during(noAlerts),
  green_performance: during(performance),
  green_health: after(healthy),
  green_post_mortem: after(postMortem),
  green_retired: after(retired),
};

export const GREEN_GATES: Gate[] = GREEN_ENTRIES.map((entry) => ({ ...entry, check: CHECKS[entry.id] }));

async function infrastructure({ api }: GateContext): Promise<Finding> {
  if (!await greenAnswers(api.stack)) return open("green does not answer", "gatelink traffic deploy");
  const gateway = gatewayOf(api.stack, undefined);
  const pinned = await fetch(`${gateway}/health`, {
    headers: { "x-environment": "green" },
    signal: AbortSignal.timeout(10_000),
  });
  const said = (await pinned.json().catch(() => ({})) as { environment?: string }).environment;
  return said === "green" ? passed(`green answers, and ${gateway} leads to it`) : open(
    `${gateway} does not lead to green: HTTP ${pinned.status}`,
    "Put a gateway in front, and set LB_ADMIN_TOKEN: docs/two-environments.md",
  );
}

async function dashboards({ api, root }: GateContext): Promise<Finding> {
  const text = await readFile(join(root, "ops", "grafana", "gatelink.json"), "utf8").catch(() => undefined);
  if (text === undefined) return open("ops/grafana/gatelink.json is not there", "Use that of the release");
  const { panels } = JSON.parse(text) as { panels: unknown[] };
  const response = await fetch(`${api.stack.url}/functions/v1/metrics`, {
    headers: { apikey: api.stack.secretKey },
    signal: AbortSignal.timeout(20_000),
  });
  const body = await response.text();
  return response.ok && /^gatelink_/m.test(body)
    ? passed(`${panels.length} panels in ops/grafana/gatelink.json, and their metrics answer`)
    : open(`the metrics answer ${response.status}`, "gatelink status: see what the functions lack");
}

interface Split {
  value: string;
  metadata: { rollout_percentage?: number };
}

const shareOf = (split: Split | null): number =>
  split?.value === "true" ? split.metadata.rollout_percentage ?? 100 : 0;

async function rehearsed({ api, now }: GateContext): Promise<Finding> {
  const since = new Date(now.getTime() - REHEARSED_WITHIN_DAYS * DAY_MS).toISOString();
  const [events, back] = await Promise.all([
    api.rows((client) =>
      client.from("rollback_events").select("level").eq("ok", true).gte("recorded_at", since).limit(100)
    ),
    api.rows<{ before: Split | null; after: Split | null }>((client) =>
      client.from("settings_history").select("before,after").eq("key", FLAG).gte("changed_at", since)
        .order("version", { ascending: false }).limit(200)
    ),
  ]);
  const levels = [...new Set(events.map(({ level }) => level))].sort();
  if (levels.length > 0) {
    return passed(`rollback ${levels.join(", ")} worked within ${REHEARSED_WITHIN_DAYS} days`);
  }
  return back.some(({ before, after }) => shareOf(before) > 0 && shareOf(after) === 0)
    ? passed(`traffic was split and taken back within ${REHEARSED_WITHIN_DAYS} days`)
    : open(
      `no rollback worked within ${REHEARSED_WITHIN_DAYS} days`,
      'gatelink traffic set green 1 --why "rehearsal", then gatelink traffic back --why "rehearsal"',
    );
}

async function statusPage({ api }: GateContext): Promise<Finding> {
  const response = await fetch(`${api.stack.url}/functions/v1/health/status`, {
    signal: AbortSignal.timeout(10_000),
  });
  const body = await response.json().catch(() => ({})) as { incidents?: unknown[] };
  return response.ok && Array.isArray(body.incidents)
    ? passed(`the status page answers, with ${counted(body.incidents.length, "incident")}`)
    : open(`the status page answers ${response.status}`, "gatelink status: see what the functions lack");
}

async function contacts({ api }: GateContext): Promise<Finding> {
  const [steps, endpoints] = await Promise.all([
    api.rows((client) =>
      client.from("escalation_steps").select("after_minutes,role,notification_endpoints(name,state)")
        .eq("severity", "P0").order("after_minutes")
    ),
    api.rows((client) =>
      client.from("notification_endpoints").select("name").eq("state", "active")
        .contains("events", ["incident_escalated"]).limit(100)
    ),
  ]);
  if (steps.length === 0) {
    return open("nobody is called for a P0", "gatelink incident escalation --policy four_levels");
  }
  const unreached = steps.filter(({ notification_endpoints: one }) =>
    endpoints.length === 0 && one?.state !== "active"
  );
  return none(
    unreached.map(({ role }) => role),
    `${steps.map(({ role, after_minutes }) => `${role} after ${after_minutes} min`).join(", ")}`,
    "not reached",
    "gatelink rollout notify add NAME ADDRESS --events incident_opened incident_escalated",
  );
}

async function metrics(_: Ramp, { api }: GateContext): Promise<Finding> {
  const { findings } = await api.rpc("environment_watch", {});
  return none(
    findings.map(({ rule }) => rule),
    "errors, latency, memory and connections are within their limits",
    "outside of their limits",
    "gatelink traffic status",
  );
}

async function noAlerts({ id }: Ramp, { api }: GateContext): Promise<Finding> {
  const paged = await api.rows((client) =>
    client.from("rollout_events").select("rule").eq("rollout_id", id).eq("kind", "paged").order("at").limit(
      100,
    )
  );
  return none(
    [...new Set(paged.map(({ rule }) => rule ?? "page"))],
    "nobody was paged during this ramp",
    "paged for",
    `gatelink rollout show ${id}; sign that it does not matter with --not-applicable`,
  );
}

async function performance(_: Ramp, { api }: GateContext): Promise<Finding> {
  const { environments: { green } } = await api.rpc("traffic_figures", { p_minutes: 60 });
  if (green.p99_ms === null) {
    return open("no request came to green within the hour", "gatelink traffic status");
  }
  return green.p99_ms < P99_MS
    ? passed(`p99 ${green.p99_ms} ms over ${counted(green.requests, "request")} of the last hour`)
    : open(`p99 ${green.p99_ms} ms, not below ${P99_MS}`, "gatelink traffic status");
}

function healthy({ rollout_stages: stages, finished_at }: Ramp, { health }: GateContext): Finding {
  const last = stages.find(({ percentage }) => Number(percentage) === 100);
  const minutes = last?.entered_at == null || finished_at === null
    ? 0
    : Math.floor((Date.parse(finished_at) - Date.parse(last.entered_at)) / 60_000);
  if (minutes < HEALTHY_MINUTES) {
    return open(
      `everybody was on green for ${minutes} minutes of the ramp`,
      "Watch it for two hours, and sign --not-applicable with what was seen",
    );
  }
  return health.status === "down"
    ? open("health is down", "gatelink status")
    : passed(`${minutes} minutes with everybody on green; health is ${health.status}`);
}

async function postMortem({ started_at }: Ramp, { api }: GateContext): Promise<Finding> {
  const all = await api.rows((client) =>
    client.from("incidents").select("number,incident_updates(text)").eq("flag_key", FLAG)
      .gte("opened_at", started_at ?? "-infinity").order("number").limit(100)
  );
  if (all.length === 0) return notApplicable("no incident of green since the ramp began");
  const without = all.filter(({ incident_updates: updates }) =>
    !updates.some(({ text }) => text?.startsWith(SCHEDULED))
  );
  return none(
    without.map(({ number }) => `incident ${number}`),
    `scheduled for ${counted(all.length, "incident")}`,
    "without a date",
    `gatelink incident postmortem ${without[0]?.number} --on DATE`,
  );
}

async function retired(_: Ramp, { api }: GateContext): Promise<Finding> {
  const { green } = await api.rpc("traffic_split", {});
  if (green > 0) {
    return open(
      `${green} % of visitors are on green`,
      "Deploy the version to blue, then gatelink traffic back",
    );
  }
  return await greenAnswers(api.stack)
    ? open("green still answers", "After 24 hours: gatelink traffic retire")
    : passed("green does not answer, and everybody is on blue");
}
