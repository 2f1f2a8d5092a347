import { assertEquals } from "../../../tests/support/assert.ts";
import { join } from "node:path";
import { ROOT } from "../../../lib/paths.ts";
import { refusalCounter } from "../_shared/db/counters.ts";
import { BUCKETS_MS } from "../_shared/db/measurements.ts";
import type { MetricsSnapshot } from "../_shared/contract/answers/operations.ts";
import { metricsOf } from "./metrics.ts";

const NOTHING: MetricsSnapshot = {
  revision: 1,
  counters: [],
  measurements: [],
  clock_at: null,
  health: [],
  queue: {
    unrouted: { n: 0, held: 0, oldest_seconds: null },
    deliveries: { n: 0, oldest_seconds: null },
    outbound: { n: 0, oldest_seconds: null },
  },
  overdue_seconds: 0,
  held: [],
  destinations: [],
  incidents: [],
  links_guessed: 0,
  pools: [],
  ai_accuracy: [],
  chats: { reached: 0, active: 0, linked: 0, acting: 0 },
  business: [],
  flags: [],
  rollouts: [],
};

/** The labels of each series of a metric, with its value, of a histogram how many it counts. */
function series(name: string, snapshot: Partial<MetricsSnapshot>): unknown[] {
  const metrics = metricsOf({ ...NOTHING, ...snapshot }, { version: "", environment: "", switches: {} });
  return metrics.find((metric) => metric.name === `gatelink_${name}`)!.samples.map(([labels, value]) => [
    labels,
    typeof value === "number" ? value : value.counts.reduce((sum, n) => sum + n, 0),
  ]);
}

const counter = (name: string, label: string, value: number) => ({ name, label, value });
const measurement = (name: string, label: string, n: number) => ({
  name,
  label,
  n,
  ms: n,
  counts: [n, ...BUCKETS_MS.map(() => 0)],
});

Deno.test("metricsOf(): open incidents, and for how long they have been unacknowledged", () => {
  const incidents = [{ severity: "P0", open: 2, unacknowledged_seconds: 90 }, {
    severity: "P1",
    open: 0,
    unacknowledged_seconds: 0,
  }];
  assertEquals(series("incidents_open", { incidents }), [[{ severity: "P0" }, 2], [{ severity: "P1" }, 0]]);
  assertEquals(series("incident_unacknowledged_seconds", { incidents })[0], [{ severity: "P0" }, 90]);
});

Deno.test("metricsOf(): refusals of any function by name, without services' replies", () => {
  const counters = [
    counter("wa_webhook_refused", "signature_invalid", 1),
    counter("email_webhook_refused", "rate_limited", 2),
    counter("sms_refused", "forbidden", 3),
    counter("replies_refused", "invalid", 4),
    counter("webhook_results", "messages stored", 5),
  ];
  assertEquals(series("refusals_total", { counters }), [
    [{ function: "wa-webhook", code: "signature_invalid" }, 1],
    [{ function: "email-webhook", code: "rate_limited" }, 2],
    [{ function: "sms", code: "forbidden" }, 3],
  ]);
  assertEquals(series("rate_limited_total", { counters }), [[{ function: "email-webhook" }, 2]]);
  assertEquals(series("webhook_signature_failures_total", { counters }), [[{ reason: "invalid" }, 1]]);
  assertEquals(series("replies_refused_total", { counters }), [[{ reason: "invalid" }, 4]]);
});

Deno.test("metricsOf(): refusals of each deployed function by name", async () => {
  const config = await Deno.readTextFile(join(ROOT, "supabase", "config.toml"));
  const deployed = [...config.matchAll(/^\[functions\.([\w-]+)\]/gm)].map(([, name]) => name);
  const counters = deployed.map((name) => counter(refusalCounter(name), "rate_limited", 1));
  assertEquals(
    series("refusals_total", { counters }),
    deployed.map((name) => [{ function: name, code: "rate_limited" }, 1]),
  );
  assertEquals(deployed.length > 5, true);
});

Deno.test("metricsOf(): calls of each provider, those of Meta's Graph API under their own name", () => {
  const measurements = [
    measurement("graph", "sent", 1),
    measurement("sendgrid", "sent", 2),
    measurement("twilio", "21610", 3),
    ...["request", "routed", "destination", "messages", "updates", "clicks"].map((name) =>
      measurement(name, "x y", 9)
    ),
  ];
  assertEquals(series("graph_call_duration_seconds", { measurements }), [[{ result: "sent" }, 1]]);
  assertEquals(series("provider_call_duration_seconds", { measurements }), [
    [{ provider: "sendgrid", result: "sent" }, 2],
    [{ provider: "twilio", result: "21610" }, 3],
  ]);
});

Deno.test("metricsOf(): the guard's figures for a rollout, why it waits, and its last verdict", () => {
  const rollout = {
    flag: "a.enabled",
    state: "running" as const,
    stage: 1,
    percentage: 10,
    finished_at: null,
    hold_reason: "silent",
    s: { errors: 1_500_000, errors_relative: 0, slow: 0, slow_relative: 0, longer: 12_000_000 },
    killed: true,
    signals: {
      complaints: 3,
      ratings: 5,
      positive: 4,
      metrics: [{ name: "checkout.completed", on: 7, off: 60, per_day: 9, s: 2_500_000 }],
    },
    verdict: { verdict: "page", rule: "silent", at: 5 },
  };
  const rollouts = [rollout, {
    ...rollout,
    flag: "b.enabled",
    hold_reason: null,
    s: null,
    killed: false,
    signals: null,
    verdict: null,
  }];
  const flag = "a.enabled";
  assertEquals(series("rollout_hold", { rollouts }), [[{ flag, reason: "silent" }, 1]]);
  assertEquals(series("rollout_guard_s", { rollouts }).slice(0, 2), [
    [{ flag, test: "errors" }, 1.5],
    [{ flag, test: "errors_relative" }, 0],
  ]);
  assertEquals(series("rollout_kill_switch", { rollouts }), [[{ flag }, 1]]);
  assertEquals(series("rollout_complaints", { rollouts }), [[{ flag }, 3]]);
  assertEquals(series("rollout_ratings", { rollouts }), [
    [{ flag, positive: "true" }, 4],
    [{ flag, positive: "false" }, 1],
  ]);
  assertEquals(series("rollout_metric_people", { rollouts }), [
    [{ flag, metric: "checkout.completed", arm: "on" }, 7],
    [{ flag, metric: "checkout.completed", arm: "off" }, 60],
  ]);
  assertEquals(series("rollout_metric_s", { rollouts }), [[{ flag, metric: "checkout.completed" }, 2.5]]);
  assertEquals(series("business_events_total", { business: [{ name: "a.b", n: 2, value: 9.5 }] }), [
    [{ metric: "a.b" }, 2],
  ]);
  assertEquals(series("rollout_verdict_timestamp_seconds", { rollouts }), [
    [{ flag, verdict: "page", rule: "silent" }, 5],
  ]);
});

Deno.test("metricsOf(): texts of masked messaging by organisation and outcome", () => {
  const counters = [
    { name: "masking_leg", label: "moss", value: 7 },
    { name: "masking_blocked", label: "moss", value: 2 },
    { name: "masking_sitter_no_window", label: "moss", value: 1 },
  ];
  assertEquals(series("text_decisions_total", { counters }), [
    [{ outcome: "leg", org: "moss" }, 7],
    [{ outcome: "blocked", org: "moss" }, 2],
  ]);
  assertEquals(series("texts_outside_windows_total", { counters }), [[{ org: "moss" }, 1]]);
});
