/**
 * Sentences about what people and the guard did.
 *
 * @module
 */
import type { AuditEntry } from "../answers/audit.ts";
import { changeInWords } from "./changes.ts";

type Kind = AuditEntry["kind"];

/** What each kind is called, for a filter. */
export const AUDIT_KINDS: Readonly<Record<Kind, string>> = {
  flag: "Flags",
  rollout: "Rollouts",
  signature: "Signatures",
  rollback: "Rollbacks",
  incident: "Incidents",
  route: "Routes",
  destination: "Destinations",
  delivery: "Deliveries",
  link: "Links",
  segment: "Segments",
  announcement: "Announcements",
  campaign: "Campaigns",
  contact: "Revealed contacts",
  reply: "Replies",
  identity: "E-mail identities",
  suppression: "Suppressions",
  number: "Numbers",
  endpoint: "Notification endpoints",
  setting: "Settings",
  team: "Team",
  invitation: "Invitations",
  allowlist: "Allowlist",
};

const ACTS: Readonly<Record<string, string>> = {
  revealed: "was revealed",
  merged: "was merged with another contact",
  split: "was split from another contact",
  replied: "was answered",
  resent: "got a failed message again",
  exported: "was exported",
  resolved: "has an unknown outcome settled",
  erased: "was erased",
};

const INVITATIONS: Readonly<Record<string, string>> = {
  added: "sent",
  resent: "sent again",
  removed: "revoked",
  accepted: "accepted",
};

const THINGS: Partial<Record<Kind, string>> = {
  destination: "Destination",
  link: "Link",
  segment: "Segment",
  number: "Number",
  endpoint: "Endpoint",
  announcement: "Announcement",
  campaign: "Campaign",
  identity: "Identity",
  suppression: "Suppression of",
  route: "Route",
};

const counted = (n: number, one: string, many: string) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

/** One sentence, without a full stop. Unknown changes are shown unchanged. */
export function auditInWords(entry: AuditEntry): string {
  const { kind, name, change, n, figures, before, after } = entry;
  switch (kind) {
    case "flag":
    case "setting":
      return changeInWords({ ...entry, kind: "setting" });
    case "rollout":
      return `Rollout of ${changeInWords(entry)}`;
    case "rollback":
      return `Rollback, ${changeInWords(entry)}`;
    case "incident":
      return `Incident ${name} ${change.replaceAll("_", " ")}`;
    case "signature":
      return `${name}: ${String(figures.gate).replaceAll("_", " ")} ${
        change === "waived" ? "declared not applicable" : change
      } (${figures.role})`;
    case "team":
      return change === "removed"
        ? `${name} removed from the team (was ${standing(before)})`
        : change === "added"
        ? `${name} added to the team as ${standing(after)}`
        : `${name} changed from ${standing(before)} to ${standing(after)}`;
    case "invitation":
      return `Invitation of ${name} ${INVITATIONS[change] ?? change}`;
    case "allowlist":
      return `${name} ${change} for ${figures.purpose === "forward" ? "services" : "links"}`;
    case "contact":
    case "reply":
      return `${name.charAt(0).toUpperCase()}${name.slice(1)} ${ACTS[change] ?? change}`;
    case "delivery":
      return `${counted(n, "delivery", "deliveries")} to ${name} ${change}`;
    case "segment":
      if (change === "members") {
        return `Segment ${name}: ${figures.added} added, ${figures.removed} removed`;
      }
      break;
    case "link":
      if (n > 1) return `${counted(n, "link", "links")} added`;
      break;
  }
  return `${THINGS[kind] ?? kind} ${name} ${stateOf(entry) ?? WORDS[change] ?? change}`;
}

const WORDS: Readonly<Record<string, string>> = { credentials: "got new credentials" };

/** A change of nothing but the state, by its word. */
function stateOf({ kind, change, before, after }: AuditEntry): string | undefined {
  if (change !== "changed" || after === null || before === null) return undefined;
  const members = Object.keys(after);
  if (kind === "route" || !members.every((name) => name === "state" || name === "paused_because")) {
    return undefined;
  }
  const { state } = after;
  if (kind === "link") return state === "active" ? "turned on" : "turned off";
  if (state === "active") return "resumed";
  return typeof state === "string" ? state : undefined;
}

function standing(of: Record<string, unknown> | null): string {
  if (of === null) return "nothing";
  const approvals = Array.isArray(of.approvals) ? of.approvals : [];
  return approvals.length === 0 ? String(of.role) : `${of.role} (signs as ${approvals.join(", ")})`;
}

/** A member that changed; a value that is absent is undefined. */
export interface Difference {
  name: string;
  from: string | undefined;
  to: string | undefined;
}

const NAMES: Readonly<Record<string, string>> = {
  value: "state",
  url: "URL",
  rollout_percentage: "percentage",
  people: "people",
  target_segments: "segments",
  timeout_ms: "time limit (ms)",
  rate_per_second: "per second",
  rate_burst: "burst",
  retry_seconds: "retries (s)",
  flag_key: "flag",
  sticky_minutes: "sticky (min)",
  default_url: "URL",
  starts_at: "starts",
  expires_at: "expires",
  max_per_second: "per second",
};

const said = (value: unknown): string | undefined =>
  value === undefined || value === null
    ? undefined
    : typeof value === "string"
    ? value
    : Array.isArray(value) && value.every((one) => typeof one !== "object")
    ? value.join(", ") || "none"
    : JSON.stringify(value);

/** The members that differ before and after, in words. */
export function auditDifferences({ kind, before, after }: AuditEntry): Difference[] {
  if (before === null && after === null) return [];
  const names = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])];
  return names.filter((name) => JSON.stringify(before?.[name]) !== JSON.stringify(after?.[name])).map((
    name,
  ) => ({
    name: NAMES[name] ?? name.replaceAll("_", " "),
    from: flagged(kind, name, said(before?.[name])),
    to: flagged(kind, name, said(after?.[name])),
  }));
}

const flagged = (kind: Kind, name: string, value: string | undefined) =>
  kind === "flag" && name === "value" ? value === "true" ? "on" : value === "false" ? "off" : value : value;
