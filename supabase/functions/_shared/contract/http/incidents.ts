/**
 * Incidents over HTTP: the public status page, and the event about an incident.
 *
 * @module
 */
import { z } from "zod";
import { STATUSES } from "../incidents.ts";
import { partStatus } from "./operation.ts";

const time = z.iso.datetime({ offset: true });
const severity = z.enum(["P0", "P1", "P2"]);
const status = z.enum(STATUSES);

/** An incident as the public sees it. */
export const publicIncident = z.strictObject({
  number: z.int(),
  title: z.string(),
  severity,
  status,
  opened_at: time,
  resolved_at: time.nullable(),
  updates: z.array(z.strictObject({ at: time, status, text: z.string() })),
});

/** The answer of `GET health/status`. */
export const publicStatus = z.strictObject({
  status: partStatus,
  at: time.nullable().describe("When the state was last read; null if it never could be"),
  components: z.array(z.strictObject({ component: z.string(), status: partStatus })),
  incidents: z.array(publicIncident),
});
/** See {@linkcode publicStatus}. */
export type PublicStatus = z.infer<typeof publicStatus>;

/** The event for subscribers of incidents. */
export const incidentEvent = z.strictObject({
  type: z.enum([
    "incident.opened",
    "incident.updated",
    "incident.acknowledged",
    "incident.escalated",
    "incident.taken_back",
    "incident.resolved",
  ]),
  timestamp: time,
  data: z.strictObject({
    number: z.int(),
    title: z.string(),
    kind: z.string(),
    severity,
    status,
    flag_key: z.string().nullable(),
    component: z.string().nullable(),
    opened_at: time,
    text: z.string().nullable(),
    role: z.string().nullable().describe("The role that is called; null except for escalations"),
    message: z.string(),
    what_to_do: z.string(),
  }),
});
/** See {@linkcode incidentEvent}. */
export type IncidentEvent = z.infer<typeof incidentEvent>;

/** Schemas of this module that docs/openapi.yaml names. */
export const INCIDENTS = {
  IncidentEvent: incidentEvent,
  PublicIncident: publicIncident,
  PublicStatus: publicStatus,
} as const;
