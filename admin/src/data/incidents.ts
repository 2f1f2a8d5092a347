/** Incidents as the panel reads them. */
import type { UseQueryResult } from "@tanstack/react-query";
import type { IncidentFacts } from "../../../supabase/functions/_shared/contract/incidents.ts";
import { LIVE_MS, useRpc } from "./query.ts";
import type { Refusal } from "./refusal.ts";

/** An incident that is open, as the overview has it. */
export interface OpenIncident extends IncidentFacts {
  public: boolean;
  acknowledged_at: string | null;
  version: number;
}

/** A row of `incidents`. */
export interface Incident extends OpenIncident {
  id: string;
  opened_by: string;
  acknowledged_by: string | null;
  resolved_at: string | null;
  escalate_at: string | null;
}

/** A row of `incident_updates`. */
export interface IncidentUpdate {
  id: string;
  at: string;
  kind: string;
  status: string;
  public: boolean;
  text: string | null;
  changes: Record<string, unknown>;
  actor: string;
}

/** An incident with its history, and the way back that was taken. */
export interface IncidentStory extends Incident {
  updates: IncidentUpdate[];
  rollback: { level: number; target: string; recorded_at: string } | null;
  rollout: { id: string; flag_key: string; state: string } | null;
}

/** Open ones first, the most severe on top; then the latest. */
export function useIncidents(): UseQueryResult<Incident[], Refusal> {
  return useRpc<Incident[]>("list_incidents", { p_limit: 200 }, { every: LIVE_MS / 2 });
}

/** One incident. */
export function useIncident(number: number): UseQueryResult<IncidentStory, Refusal> {
  return useRpc<IncidentStory>("read_incident", { p_number: number }, { every: LIVE_MS / 2 });
}

/** What a change of an incident makes stale. */
export const INCIDENT_CHANGED = ["list_incidents", "read_incident", "overview", "rollouts", "settings"];
