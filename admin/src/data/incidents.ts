/** Incidents as the panel reads them. */
import type { UseQueryResult } from "@tanstack/react-query";
import type {
  Incident,
  IncidentStory,
} from "../../../supabase/functions/_shared/contract/answers/incidents.ts";
import type { LivePagesOptions } from "./pages.ts";
import { LIVE_MS, rpc, useRpc } from "./query.ts";
import type { Refusal } from "./refusal.ts";

/** Incidents of a page. */
const PAGE = 50;

/** Incidents in pages: the open ones, the most severe first, or the resolved ones, newest first. */
export const incidentPages = (open: boolean, search: string): LivePagesOptions<Incident> => ({
  key: ["list_incidents", { open, search }],
  read: (last) =>
    rpc("list_incidents", {
      p_open: open,
      p_limit: PAGE,
      p_filter: { ...(search && { search }), ...(last && { after: last.number }) },
    }),
  size: PAGE,
  every: open ? LIVE_MS / 2 : LIVE_MS,
});

/** One incident. */
export function useIncident(number: number): UseQueryResult<IncidentStory, Refusal> {
  return useRpc("read_incident", { p_number: number }, { every: LIVE_MS / 2 });
}

/** Keys that a change of an incident invalidates. */
export const INCIDENT_CHANGED = ["list_incidents", "read_incident", "overview", "rollouts", "settings"];
