import { assertEquals } from "../../../../tests/support/assert.ts";
import type { IncidentNotification, Notification } from "./notification.ts";
import { eventsOf, projectOf } from "./page.ts";

const AT = "2026-11-29T10:00:00+00:00";
const step = (kind: IncidentNotification["kind"], severity: "P0" | "P1" | "P2" = "P0") =>
  ({
    kind,
    at: AT,
    text: null,
    role: null,
    template: null,
    incident: {
      number: 7,
      title: "Checkout fails",
      kind: "error_rate",
      severity,
      status: "investigating",
      flag_key: null,
      component: null,
      opened_at: AT,
    },
  }) as unknown as Notification;

Deno.test("eventsOf(): the steps of an incident share one key, which names the project", () => {
  const seen =
    (["incident_opened", "incident_escalated", "incident_acknowledged", "incident_resolved"] as const)
      .flatMap((kind) => eventsOf(step(kind), "incident:7", "abc"));
  assertEquals(seen.map(({ action }) => action), ["trigger", "trigger", "acknowledge", "resolve"]);
  assertEquals([...new Set(seen.map(({ key }) => key))], ["gatelink:abc:incident:7"]);
  assertEquals([seen[0].summary, seen[0].source, seen[0].severity], [
    "P0 #7 investigating: Checkout fails",
    "abc",
    "critical",
  ]);
  assertEquals(
    (["P1", "P2"] as const).map((p) => eventsOf(step("incident_opened", p), "incident:7", "abc")[0].severity),
    ["error", "warning"],
  );
  assertEquals(eventsOf(step("incident_updated"), "incident:7", "abc"), []);
});

Deno.test("eventsOf(): a component that fails opens, one that recovers resolves, and a test does both", () => {
  const part = (kind: "failing" | "recovered"): Notification => ({
    kind,
    at: AT,
    part: { component: "queue", status: "degraded", because: "stopped", figures: { destinations: [] } },
  });
  const actions = (told: Notification) =>
    eventsOf(told, "x", "abc").map(({ action, severity }) => [action, severity]);
  assertEquals(actions(part("failing")), [["trigger", "warning"]]);
  assertEquals(actions(part("recovered")), [["resolve", "warning"]]);
  assertEquals(actions({ kind: "test", at: AT, endpoint: "pages" }), [["trigger", "info"], [
    "resolve",
    "info",
  ]]);
});

Deno.test("projectOf(): the ref, or the whole host where there is none", () => {
  assertEquals(projectOf("https://abcdefghijklmnopqrst.supabase.co"), "abcdefghijklmnopqrst");
  assertEquals(projectOf("https://api.example.com"), "api.example.com");
  assertEquals(projectOf("http://127.0.0.1:54321"), "127.0.0.1:54321");
});
