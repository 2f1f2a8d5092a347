/**
 * What `oncall-webhook` answers.
 *
 * @module
 */
import { z } from "zod";

/** Lookups are under way. */
export const onCallWork = z.strictObject({ status: z.literal("looking") });

/** The answer of `GET /check`. */
export const onCallCheck = z.strictObject({
  /** Whether the environment stops dynamic routing. */
  routing_killed: z.boolean(),
  schedules: z.array(z.strictObject({
    name: z.string(),
    source: z.enum(["rota", "pagerduty", "opsgenie", "jsm"]),
    /** How many are on call, as the provider says now; null for a rota, and without an answer. */
    people: z.int().nullable(),
    /** Why it does not say; null if it does. */
    fault: z.string().nullable(),
  })),
});
/** See {@linkcode onCallCheck}. */
export type OnCallCheck = z.infer<typeof onCallCheck>;

/** The answer to a webhook. */
export const onCallHeard = z.strictObject({
  outcome: z.string().describe("taken, repeated, or ignored: it changes nothing here."),
});
/** See {@linkcode onCallHeard}. */
export type OnCallHeard = z.infer<typeof onCallHeard>;

/** A webhook; providers add members at any time. */
export const onCallNews = z.looseObject({});

/** Schemas of this module that docs/openapi.yaml names. */
export const ONCALL_HTTP = {
  OnCallWork: onCallWork,
  OnCallCheck: onCallCheck,
  OnCallHeard: onCallHeard,
  OnCallNews: onCallNews,
} as const;
