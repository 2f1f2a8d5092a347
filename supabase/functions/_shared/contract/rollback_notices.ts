/**
 * The two notices of a rollback, `emergency_rollback` and `planned_rollback`: what fills them, from an incident.
 *
 * @module
 */
import { fillTemplate, type IncidentFacts, type RollbackPlaceholder, templateValues } from "./incidents.ts";

/** Names of the notices among the templates. */
export const ROLLBACK_NOTICES = ["emergency_rollback", "planned_rollback"] as const;
export type RollbackNotice = typeof ROLLBACK_NOTICES[number];

/** How plans write the placeholders, in brackets; both are understood. `[X minutes]` is one of them. */
const IN_BRACKETS: Readonly<Record<string, RollbackPlaceholder>> = {
  "TIMESTAMP": "timestamp",
  "X minutes": "minutes",
  "REASON": "reason",
  "INCIDENT_COMMANDER": "incident_commander",
  "TECHNICAL_LEAD": "technical_lead",
};

/** A text with a plan's placeholders in the form of templates: `[TIMESTAMP]` becomes `{{timestamp}}`. */
export function fromBrackets(text: string): string {
  return text.replace(
    /\[([A-Za-z_ ]{1,30})\]/g,
    (whole, name: string) => Object.hasOwn(IN_BRACKETS, name) ? `{{${IN_BRACKETS[name]}}}` : whole,
  );
}

/** An incident, with what is known of the way back that was taken. */
export interface RolledBack extends IncidentFacts {
  updates: readonly { at: string; kind: string }[];
  rollback: { recorded_at: string } | null;
  rollout: { state: string; finished_at: string | null } | null;
}

/** When the way back had been taken, as ISO time; undefined while none was. */
export function takenBackAt({ updates, rollback, rollout }: RolledBack): string | undefined {
  if (rollback !== null) return rollback.recorded_at;
  if (rollout?.state === "rolled_back" && rollout.finished_at !== null) return rollout.finished_at;
  return updates.findLast(({ kind }) => kind === "taken_back")?.at;
}

/** What the incident does not say. */
export interface NoticeOptions {
  /** Name of the system for its readers. @default the incident's flag, component or title */
  system?: string;
  /** Names of people; left out of a public text. */
  commander?: string;
  lead?: string;
  /** @default the incident's title */
  reason?: string;
  /** Downtime, or the expected duration of a planned rollback. @default downtime from the incident; not known if planned */
  minutes?: number;
  /** Of a planned rollback, which of the three phases is under way; 4 is all done. @default 2 */
  phase?: number;
  /** When the rollback had been completed, if the incident does not know. ISO time */
  completedAt?: string;
  now: Date;
  /** A public text names nobody. */
  public: boolean;
}

const minutesInWords = (minutes: number) => `${minutes} minute${minutes === 1 ? "" : "s"}`;
const utc = (at: string) => `${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC`;

/** The text of a notice. An emergency rollback is only said to be completed if one was taken. */
export function rollbackNotice(
  name: RollbackNotice,
  template: string,
  incident: RolledBack,
  options: NoticeOptions,
): string {
  const planned = name === "planned_rollback";
  const phase = options.phase ?? 2;
  const taken = options.completedAt ?? takenBackAt(incident);
  const done = planned ? phase > 3 : taken !== undefined;
  const at = taken ?? options.now.toISOString();
  const downtime = Math.max(0, Math.ceil((Date.parse(at) - Date.parse(incident.opened_at)) / 60_000));
  const minutes = options.minutes ?? (planned ? undefined : downtime);
  const mark = (one: number) => phase > one ? "✅" : phase === one ? "⏳" : "⏸️";
  const base = templateValues(incident);
  return fillTemplate(fromBrackets(template), {
    ...base,
    ...(options.public ? { kind: "", component: "", way_back: "" } : {}),
    system: options.system ?? (base.flag || incident.component || incident.title),
    outcome: done ? "COMPLETED" : "IN PROGRESS",
    timestamp: utc(at),
    impact: planned
      ? "No expected service disruption"
      : done
      ? "Service restored to previous stable version"
      : "Service is being restored to previous stable version",
    minutes: minutes === undefined
      ? ""
      : done || planned
      ? minutesInWords(minutes)
      : `${minutesInWords(minutes)} so far`,
    reason: options.reason ?? incident.title,
    phase_1: mark(1),
    phase_2: mark(2),
    phase_3: mark(3),
    incident_commander: options.public ? "" : options.commander ?? "",
    technical_lead: options.public ? "" : options.lead ?? "",
  });
}
