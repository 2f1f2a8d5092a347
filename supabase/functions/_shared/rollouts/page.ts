/**
 * The events at PagerDuty that a notification is: what opens, acknowledges or resolves an incident there. Pure.
 *
 * @module
 */
import type { OnCallEvent } from "../oncall/provider.ts";
import { mailOf, type Notification } from "./notification.ts";

/** The same kinds as the constraint `notification_endpoints_pages`, and tests. */
const ACTIONS: Readonly<Record<string, readonly OnCallEvent["action"][]>> = {
  incident_opened: ["trigger"],
  // Of a service that is called by a step alone it is the first that it gets; elsewhere it changes nothing.
  incident_escalated: ["trigger"],
  incident_acknowledged: ["acknowledge"],
  incident_resolved: ["resolve"],
  paged: ["trigger"],
  rolled_back: ["resolve"],
  completed: ["resolve"],
  failing: ["trigger"],
  recovered: ["resolve"],
  test: ["trigger", "resolve"],
};

/** The project, as keys and sources name it: its ref, else the host that it runs at. */
export function projectOf(url: string): string {
  const { host } = new URL(url);
  return host.endsWith(".supabase.co") ? host.split(".", 1)[0] : host;
}

/**
 * What PagerDuty is told, in this order; nothing for what it has no event for. One key an incident, a rollout or a component,
 * so that an event that comes twice is seen once; with the project, for two may share a service.
 */
export function eventsOf(told: Notification, about: string, project: string): readonly OnCallEvent[] {
  return (ACTIONS[told.kind] ?? []).map((action) => ({
    action,
    key: `gatelink:${project}:${about}`,
    summary: mailOf(told).subject,
    source: project,
    severity: severityOf(told),
  }));
}

function severityOf(told: Notification): OnCallEvent["severity"] {
  if (told.kind === "test") return "info";
  if ("incident" in told) {
    return ({ P0: "critical", P1: "error" } as const)[told.incident.severity as string] ?? "warning";
  }
  return "part" in told && told.part.status === "degraded" ? "warning" : "error";
}
