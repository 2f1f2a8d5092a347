/**
 * Incidents: complete for the team, and the public part for the status page.
 *
 * @module
 */
import { z } from "zod";
import { at, count, figures, id } from "./common.ts";

const severity = z.enum(["P0", "P1", "P2"]);
const status = z.enum(["investigating", "identified", "monitoring", "resolved"]);

/** An open incident as the overview shows it. */
export const openIncident = z.strictObject({
  number: count,
  title: z.string(),
  kind: z.string(),
  severity,
  status,
  flag_key: z.string().nullable(),
  component: z.string().nullable(),
  public: z.boolean(),
  opened_at: at,
  acknowledged_at: at.nullable(),
  version: count,
});
export type OpenIncident = z.infer<typeof openIncident>;

const incident = openIncident.extend({
  id,
  cause: z.string().nullable(),
  rollout_id: id.nullable(),
  rollback_id: id.nullable(),
  opened_by: z.string(),
  acknowledged_by: z.string().nullable(),
  resolved_at: at.nullable(),
  resolved_by: z.string().nullable(),
  escalated: count,
  escalate_at: at.nullable(),
  status_page_id: z.string().nullable(),
});
/** An incident. */
export type Incident = z.infer<typeof incident>;

const update = z.strictObject({
  id,
  at,
  kind: z.string(),
  status,
  public: z.boolean(),
  text: z.string().nullable(),
  changes: figures,
  version: count,
  actor: z.string(),
});
/** An entry of an incident's history. */
export type IncidentUpdate = z.infer<typeof update>;

const story = incident.extend({
  updates: z.array(update),
  rollback: z.strictObject({
    id,
    level: count,
    target: z.string(),
    reason: z.string(),
    ok: z.boolean(),
    took_ms: z.number(),
    began_at: at,
    recorded_at: at,
    recorded_by: z.string(),
  }).nullable(),
  rollout: z.strictObject({ id, flag_key: z.string(), state: z.string(), finished_at: at.nullable() })
    .nullable(),
});
/** An incident with its history and the rollbacks that were run for it. */
export type IncidentStory = z.infer<typeof story>;

const told = z.strictObject({ at, status, text: z.string().nullable() });

const page = z.strictObject({
  at,
  components: z.array(
    z.strictObject({ component: z.string(), status: z.enum(["healthy", "degraded", "down"]) }),
  ),
  incidents: z.array(z.strictObject({
    number: count,
    title: z.string(),
    severity,
    status,
    opened_at: at,
    resolved_at: at.nullable(),
    updates: z.array(told),
  })),
  /** The team's own texts by template name. */
  templates: z.record(z.string(), z.string()),
});
/** The data of the public status page. */
export type StatusPage = z.infer<typeof page>;

const post = z.strictObject({
  id,
  lease: id,
  attempt: count,
  incident: z.strictObject({ id, title: z.string(), severity, status_page_id: z.string().nullable() }),
  update: told,
  template: z.string().nullable(),
});
/** A public update to be sent to Statuspage. */
export type StatusPost = z.infer<typeof post>;

/** The answers by function name. */
export const INCIDENTS = {
  list_incidents: z.array(incident),
  read_incident: story,
  status_page: page,
  claim_status_posts: z.array(post),
} as const;
