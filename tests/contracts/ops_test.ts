/**
 * ops/ and docs/operations.md name what there is: metrics that the function prints, alerts that have a test, a line in the
 * table and a runbook.
 */
import { assert, assertEquals } from "../support/assert.ts";
import { join } from "node:path";
import { ROOT } from "../../lib/paths.ts";
import type { Metric } from "../../supabase/functions/metrics/exposition.ts";
import { metricsOf } from "../../supabase/functions/metrics/metrics.ts";
import { PROMTOOL, promtool } from "../support/promtool.ts";

const read = (...path: string[]) => Deno.readTextFileSync(join(ROOT, ...path));
const ALERTS = read("ops", "prometheus", "alerts.yml");
const DASHBOARDS = ["gatelink.json", "mail-to-telegram.json"].map((name) => read("ops", "grafana", name));
const DASHBOARD = DASHBOARDS.join("\n");
const OPERATIONS = read("docs", "operations.md");

const METRICS = new Map(
  metricsOf({
    revision: 1,
    counters: [{ name: "wa_webhook_refused", label: "signature_invalid", value: 1 }],
    measurements: [],
    clock_at: null,
    health: [{ component: "database", status: "healthy", because: "answers", figures: {} }],
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
  }, { version: "", environment: "", switches: {} }).map((metric) => [metric.name, metric]),
);

/** What the rules of mail.yml record. */
const QUANTILES = new Set(
  [...read("ops", "prometheus", "mail.yml").matchAll(/- record: (\w+)/g)].map(([, name]) => name),
);

/** Names in a text that no metric has, histograms' series included. */
function unknown(text: string): string[] {
  return [...new Set(text.match(/\b(?:gatelink|tgk)_[a-z0-9_]+/g))].filter((name) => {
    const base = name.replace(/_(bucket|sum|count)$/, "");
    // Two rules record a quantile under the name of its histogram.
    if (QUANTILES.has(name)) return false;
    const metric = METRICS.get(name) ?? METRICS.get(base);
    return metric === undefined || (metric.type === "histogram") !== (name !== metric.name);
  });
}

Deno.test("alerts.yml and the dashboard use only metrics that the function prints, and histograms by their series", () => {
  assertEquals(unknown(ALERTS), []);
  const queries = [...DASHBOARD.matchAll(/"expr": "((?:[^"\\]|\\.)*)"/g)].map(([, query]) => query);
  assert(queries.length > 30, String(queries.length));
  assertEquals(unknown(queries.join("\n")), []);
  // Whoever renames a metric learns it here.
  assertEquals(
    unknown("gatelink_messages gatelink_queue_depth_count gatelink_http_request_duration_seconds"),
    [
      "gatelink_messages",
      "gatelink_queue_depth_count",
      "gatelink_http_request_duration_seconds",
    ],
  );
});

Deno.test("the dashboard shows every metric", () => {
  const shown = (metric: Metric) => DASHBOARD.includes(metric.name);
  assertEquals([...METRICS.values()].filter((metric) => !shown(metric)).map(({ name }) => name), []);
});

Deno.test("each dashboard is a valid Grafana dashboard: unique panel ids, no overlaps", () => {
  for (const { panels, templating } of DASHBOARDS.map((text) => JSON.parse(text))) {
    assertEquals(templating.list[0].type, "datasource");
    assertEquals(new Set(panels.map(({ id }: { id: number }) => id)).size, panels.length);
    const taken = new Set<string>();
    for (const { title, gridPos: { x, y, w, h } } of panels) {
      assert(x + w <= 24, title);
      for (let column = x; column < x + w; column++) {
        for (let line = y; line < y + h; line++) {
          assert(!taken.has(`${column} ${line}`), `${title} overlaps`);
          taken.add(`${column} ${line}`);
        }
      }
    }
  }
});

Deno.test("docs/operations.md: its table of metrics matches the function's output", () => {
  const rows = [...OPERATIONS.matchAll(/^\| `((?:gatelink|tgk)_\w+)` \| (\w+) \| (.*) \|$/gm)];
  assertEquals(
    rows.map(([, name, type, what]) => ({ name, type, what })),
    [...METRICS.values()].map(({ name, type, help }) => ({ name, type, what: help })),
  );
});

Deno.test("each alert has a severity, an existing runbook, a line in docs/operations.md, and tests that it fires and that it does not", () => {
  const tests = read("ops", "prometheus", "alerts_test.yml");
  const alerts = ALERTS.split(/^ +- alert: /m).slice(1);
  assert(alerts.length >= 15);
  for (const rule of alerts) {
    const name = rule.slice(0, rule.indexOf("\n"));
    const severity = /severity: (P[012])\b/.exec(rule)?.[1];
    assert(severity, `${name}: severity`);
    assert(OPERATIONS.includes(`| \`${name}\` | ${severity} |`), `docs/operations.md: ${name}`);
    const runbook = /^ +runbook: (\S+)$/m.exec(rule)?.[1] ?? "";
    assert(Deno.statSync(join(ROOT, runbook)).isFile, `${name}: ${runbook}`);
    const asked = tests.split("alertname: ").slice(1).filter((test) =>
      test.startsWith(`${name}\n`) || test.startsWith(`${name},`)
    );
    assert(asked.some((test) => test.includes("exp_alerts")), `${name} is never seen to fire`);
  }
  const documented = [...OPERATIONS.matchAll(/^\| `(\w+)` \| P[012] \|/gm)].map(([, name]) => name);
  assertEquals(documented, alerts.map((rule) => rule.slice(0, rule.indexOf("\n"))));
});

Deno.test({
  name: "promtool: the rules are valid, and fire neither too late nor too early",
  ignore: !PROMTOOL,
  fn: async () => {
    const file = (name: string) => join(ROOT, "ops", "prometheus", name);
    await promtool(["check", "rules", file("alerts.yml")]);
    await promtool(["test", "rules", file("alerts_test.yml")]);
  },
});
