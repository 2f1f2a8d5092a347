/** Incidents as the panel reads them. */
import type { UseQueryResult } from "@tanstack/react-query";
import type {
  Incident,
  IncidentStory,
} from "../../../supabase/functions/_shared/contract/answers/incidents.ts";
import { LIVE_MS, useRpc } from "./query.ts";
import type { Refusal } from "./refusal.ts";

/** Open incidents first, the most severe on top; then the others, newest first. */
export function useIncidents(): UseQueryResult<Incident[], Refusal> {
  return useRpc("list_incidents", { p_limit: 200 }, { every: LIVE_MS / 2 });
}

/** One incident. */
export function useIncident(number: number): UseQueryResult<IncidentStory, Refusal> {
  return useRpc("read_incident", { p_number: number }, { every: LIVE_MS / 2 });
}

/** Keys that a change of an incident invalidates. */
export const INCIDENT_CHANGED = ["list_incidents", "read_incident", "overview", "rollouts", "settings"];
