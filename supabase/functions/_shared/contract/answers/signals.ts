/**
 * What people say of features and what they do, beside outcomes; and kill switches, as the functions report them.
 *
 * @module
 */
import { z } from "zod";
import { at, count, id } from "./common.ts";

/** What people said and did in a stage of a rollout; see rollouts/signals.ts. */
export const signalsSeen = z.strictObject({
  complaints: count,
  complaints_without: count,
  ratings: count,
  positive: count,
  metrics: z.array(z.strictObject({
    name: z.string(),
    on: count,
    off: count,
    on_weight: count,
    off_weight: count,
    per_day: z.number(),
    n: count.optional(),
    of_n: count.optional(),
    last_hour: count.optional(),
  })),
});

/** Flags whose kill switch is set. */
export const killSwitches = z.array(z.strictObject({ flag_key: z.string(), since: at }));

const countsFor = z.array(z.strictObject({
  flag_key: z.string(),
  rollout_id: id,
  stage: count,
  /** Whether the person had the feature. */
  arm: z.enum(["on", "off"]),
}));

const accepted = z.strictObject({ accepted: count, repeated: count });

const feedback = z.array(z.strictObject({
  id,
  at,
  kind: z.enum(["complaint", "rating"]),
  rating: count.nullable(),
  positive: z.boolean(),
  source: z.enum(["api", "team", "chat"]),
  /** The last characters of the id, at most four; of an e-mail address its host. */
  who: z.string(),
  /** For operators; null for others, and where there are no words. */
  text: z.string().nullable(),
  message_id: id.nullable(),
  counts_for: countsFor,
}));
/** What people said, latest first. */
export type Feedback = z.infer<typeof feedback>;

const metrics = z.array(z.strictObject({
  name: z.string(),
  since: at,
  n: count,
  value: z.number(),
  days: z.array(z.strictObject({ day: z.iso.date(), n: count, value: z.number() })),
}));
/** Business metrics by day. */
export type BusinessMetrics = z.infer<typeof metrics>;

/** By function. */
export const SIGNALS = {
  add_feedback: z.strictObject({ id, counts_for: countsFor }),
  list_feedback: feedback,
  list_metrics: metrics,
  list_kill_switches: killSwitches,
  record_feedback: accepted,
  record_metrics: accepted,
} as const;
