/** Reads and formats incidents. */
import { recommended, runbooksOf } from "../../../supabase/functions/_shared/contract/incidents.ts";
import type {
  Incident as ListedIncident,
  IncidentStory,
  IncidentUpdate,
} from "../../../supabase/functions/_shared/contract/answers/incidents.ts";
import type { Result } from "../../../supabase/functions/_shared/contract/sql.ts";
import type { Api } from "../../core/api.ts";
import { type Cell, clean, facts, time } from "../../core/output.ts";

type Incident = Result<"open_incident"> | ListedIncident;

/** Reads one incident. @throws {CliError} not_found */
export function readIncident(api: Api, number: number): Promise<IncidentStory> {
  return api.rpc("read_incident", { p_number: number });
}

/** A severity, coloured by how serious it is. */
export function severityCell(severity: string): Cell {
  return [severity === "P0" ? "red" : severity === "P1" ? "yellow" : "dim", severity];
}

/** What an incident is and what to do now, for somebody who was just called. */
export function inWords(incident: Incident): string {
  const open = incident.status !== "resolved";
  return facts({
    incident: incident.number,
    title: incident.title,
    severity: severityCell(incident.severity),
    kind: incident.kind,
    status: incident.status,
    flag: incident.flag_key,
    component: incident.component,
    public: incident.public ? "yes, on the status page" : "no",
    opened: `${time(incident.opened_at)} by ${incident.opened_by}`,
    acknowledged: incident.acknowledged_at === null
      ? open ? ["red", `nobody: gatelink incident acknowledge ${incident.number}`] : "nobody"
      : `${time(incident.acknowledged_at)} by ${incident.acknowledged_by}`,
    ...(incident.escalate_at === null ? {} : { "next call": time(incident.escalate_at) }),
    ...(incident.resolved_at === null ? {} : { resolved: time(incident.resolved_at) }),
    ...(open ? { "what to do": recommended(incident), runbooks: runbooksOf(incident.kind).join(", ") } : {}),
    version: incident.version,
  });
}

/** An update in one line. */
export function updateInWords(
  { kind, text, changes }: Pick<IncidentUpdate, "kind" | "text" | "changes">,
): string {
  const { step: _, role, rollout_id, rollback_id, level, ...others } = changes;
  const told = [
    typeof role === "string" ? `called: ${role}` : "",
    rollout_id === undefined ? "" : "its rollout was rolled back: the flag is off",
    rollback_id === undefined
      ? ""
      : level === undefined
      ? "linked with a rollback"
      : `rollback ${level} was run`,
    ...Object.entries(others).map(([field, change]) => changeInWords(field, change)),
    text ?? (kind === "published" ? "(the status page's default text)" : ""),
  ].filter((part) => part !== "");
  return clean(told.join("; "));
}

function changeInWords(field: string, change: unknown): string {
  const { from, to, detail } = change as { from?: unknown; to?: unknown; detail?: string };
  return detail === undefined ? `${field}: ${from ?? "none"} -> ${to ?? "none"}` : `${field} was: ${detail}`;
}
