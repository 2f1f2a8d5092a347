/** Monitoring of mails to chats: the plan's rules as they stand there, its metrics from the start, and the queries on logs. */
import { assert, assertEquals } from "../support/assert.ts";
import { join } from "node:path";
import { parse } from "yaml";
import { ROOT } from "../../lib/paths.ts";
import { render } from "../../supabase/functions/metrics/exposition.ts";
import { mailMetrics } from "../../supabase/functions/metrics/mail_metrics.ts";
import { BUCKETS_MS } from "../../supabase/functions/_shared/db/measurements.ts";
import { createLogger } from "../../supabase/functions/_shared/log/log.ts";
import { PROMTOOL, promtool } from "../support/promtool.ts";

const path = (...parts: string[]) => join(ROOT, ...parts);
const read = (...parts: string[]) => Deno.readTextFileSync(path(...parts));

/** The rules of the plan, letter by letter. */
const PLAN = `
# Critical: Email delivery failing
- alert: EmailDeliveryFailing
  expr: rate(tgk_email_delivery_total{status="failed"}[5m]) > 0.05
  for: 2m
  labels:
    severity: critical

# High: AI processing slow
- alert: AISlowProcessing
  expr: histogram_quantile(0.95, rate(tgk_email_ai_processing_seconds_bucket[5m])) > 10
  for: 5m
  labels:
    severity: high

# Medium: Routing errors increasing
- alert: RoutingErrorsIncreasing
  expr: rate(tgk_email_route_failures_total[10m]) > 5
  for: 5m
  labels:
    severity: medium
`.trim();

Deno.test("mail.yml: the plan's three rules stand there as they are, and each has tests that it fires and that it does not", () => {
  const unindented = read("ops", "prometheus", "mail.yml").replaceAll(/^ {6}/gm, "");
  assert(unindented.includes(PLAN), "the plan's rules");
  const tests = read("ops", "prometheus", "mail_test.yml").split("alertname: ").slice(1);
  for (const [, name] of PLAN.matchAll(/alert: (\w+)/g)) {
    const asked = tests.filter((test) => test.startsWith(name));
    assert(
      asked.some((test) => /^\w+\n +eval_time: \w+\n +exp_alerts/.test(test)),
      `${name} is seen to fire`,
    );
    assert(asked.some((test) => /^\w+, eval_time: \w+ \}/.test(test)), `${name} is seen not to fire`);
  }
});

Deno.test({
  name: "promtool: the plan's rules are valid, and fire neither too late nor too early",
  ignore: !PROMTOOL,
  fn: async () => {
    await promtool(["check", "rules", path("ops", "prometheus", "mail.yml")]);
    await promtool(["test", "rules", path("ops", "prometheus", "mail_test.yml")]);
  },
});

const nothing = () =>
  mailMetrics({
    snapshot: { ai_accuracy: [], chats: { reached: 0, active: 0, linked: 0, acting: 0 } },
    counted: () => [],
    measured: () => [],
    timed: () => [],
  });

Deno.test("the plan's six metrics are announced where nothing has happened yet", () => {
  const text = render(nothing());
  for (
    const [name, type] of [
      ["tgk_email_delivery_total", "counter"],
      ["tgk_email_routing_duration_seconds", "histogram"],
      ["tgk_email_ai_processing_seconds", "histogram"],
      ["tgk_email_ai_accuracy_ratio", "gauge"],
      ["tgk_email_route_failures_total", "counter"],
      ["tgk_email_ai_failures_total", "counter"],
    ]
  ) {
    assert(text.includes(`# HELP ${name} `), name);
    assert(text.includes(`# TYPE ${name} ${type}\n`), name);
  }
  // What is alerted on begins at 0; a share of nothing is absent, not 1.
  for (
    const line of [
      'tgk_email_delivery_total{status="delivered"} 0',
      'tgk_email_delivery_total{status="failed"} 0',
      "tgk_email_route_failures_total 0",
      "tgk_email_ai_failures_total 0",
    ]
  ) assert(text.includes(`\n${line}\n`), line);
  assertEquals(text.includes("\ntgk_email_ai_accuracy_ratio{"), false);
});

Deno.test("their buckets hold the plan's limits: 3 s and 10 s", () => {
  for (const ms of [3000, 5000, 10_000]) assert(BUCKETS_MS.includes(ms), String(ms));
});

Deno.test("the dashboard of mails has the plan's parts, and only valid names of metrics and labels", () => {
  const { panels } = JSON.parse(read("ops", "grafana", "mail-to-telegram.json"));
  const rows = panels.filter(({ type }: { type: string }) => type === "row").map((
    { title }: { title: string },
  ) => title);
  assertEquals(rows, [
    "Email flow overview",
    "Routing analytics: by domain, scope, type",
    "AI performance",
    "Business metrics",
  ]);
  const labels = new Map(
    nothing().map(({ name, samples }) => [name, samples.flatMap(([l]) => Object.keys(l))]),
  );
  assert(labels.get("gatelink_chats")!.includes("what"));
});

/** The members of our lines, from the logger itself. */
function members(): string[] {
  let line = "";
  createLogger({ sink: (text) => line = text }).with({ function: "x", request_id: "y" }).error("m");
  return Object.keys(JSON.parse(line));
}

/** Faults of a LogQL expression of the kinds that we use: what is compared has to be a member of our lines. */
function faultsOf(expr: string, sources: string): string[] {
  const faults: string[] = [];
  if (!/\{app="gatelink"\}/.test(expr)) faults.push("no selector");
  for (const [, name] of expr.matchAll(/\| (\w+)(?:=|!=|=~)"/g)) {
    if (!members().includes(name)) faults.push(`no member ${name}`);
  }
  for (const [, names] of expr.matchAll(/\bby \(([^)]*)\)/g)) {
    for (const name of names.split(", ")) if (!members().includes(name)) faults.push(`no member ${name}`);
  }
  for (const [, text] of expr.matchAll(/\|= "([^"]*)"/g)) {
    if (!sources.includes(text)) faults.push(`nobody logs "${text}"`);
  }
  for (const [open, close] of ["()", "{}", "[]"]) {
    if (expr.split(open).length !== expr.split(close).length) faults.push(`${open}${close} are not even`);
  }
  return faults;
}

Deno.test("Loki: rules and the queries of the docs ask for what our lines have", async () => {
  const sources = (await Promise.all(
    [
      ["telegram-webhook", "edit.ts"],
      ["_shared", "pipeline", "pipeline.ts"],
      ["_shared", "serve", "serve.ts"],
      ["_shared", "pipeline", "compose.ts"],
    ].map((parts) => Deno.readTextFile(path("supabase", "functions", ...parts))),
  )).join("\n");
  const { groups } = parse(read("ops", "loki", "rules.yml")) as {
    groups: { rules: { alert: string; expr: string; annotations: { runbook: string } }[] }[];
  };
  const rules = groups.flatMap(({ rules }) => rules);
  assert(rules.length >= 3);
  for (const { alert, expr, annotations: { runbook } } of rules) {
    assertEquals(faultsOf(expr, sources), [], alert);
    assert(Deno.statSync(path(runbook)).isFile, `${alert}: ${runbook}`);
  }
  const shown = [...read("docs", "mail-monitoring.md").matchAll(/^```logql\n([\s\S]*?)^```/gm)];
  const queries = shown.flatMap(([, text]) => text.trim().split("\n\n"));
  assert(queries.length >= 3, "queries in the docs");
  for (const query of queries) assertEquals(faultsOf(query, sources), [], query);
  // Whoever renames a member learns it here.
  assertEquals(faultsOf('{app="gatelink"} | json | fn="x" |= "nobody says so"', sources), [
    "no member fn",
    'nobody logs "nobody says so"',
  ]);
});

Deno.test("Alloy: what becomes a label is a member of our lines, and never an id", () => {
  const text = read("ops", "loki", "alloy.alloy");
  const labels = [.../stage\.labels \{\s+values = \{([^}]*)\}/.exec(text)![1].matchAll(/(\w+) = ""/g)].map(
    ([, name]) => name,
  );
  assertEquals(labels, ["level", "function"]);
  for (const name of [...labels, "ts"]) assert(members().includes(name), name);
});
