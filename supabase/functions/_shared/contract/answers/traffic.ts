/**
 * Answers of the SQL functions about the split of traffic.
 *
 * @module
 */
import { z } from "zod";
import { at, count, id } from "./common.ts";

/** The split of traffic between two environments. */
export const trafficSplit = z.strictObject({
  blue: z.number().describe("Percentage of visitors who get blue"),
  green: z.number().describe("Percentage of visitors who get green"),
  version: z.int().min(0).describe("Version of the flag green.enabled; 0 if traffic was never split"),
  changed_at: at.nullable(),
  changed_by: z.string().nullable(),
  reason: z.string().nullable(),
  rollout: z.strictObject({
    id,
    plan: z.string(),
    state: z.enum(["running", "paused"]),
    stage: z.string().nullable(),
    version: count,
    since: at.nullable(),
    waits_because: z.string().nullable(),
  }).nullable().describe("The ramp that is under way; null without one"),
});
/** See {@linkcode trafficSplit}. */
export type TrafficSplit = z.infer<typeof trafficSplit>;

const environment = z.strictObject({
  requests: count,
  failed: count.describe("Answered 5xx"),
  refused: count.describe("Answered 4xx"),
  error_rate: z.number().nullable(),
  mean_ms: z.number().nullable(),
  p99_ms: z.number().nullable(),
});

/** Requests of the last minutes by environment. */
export const trafficFigures = z.strictObject({
  window_minutes: count,
  error_rate: z.number().nullable().describe("Failed of all, of both environments; null without requests"),
  environments: z.strictObject({ blue: environment, green: environment }),
});
/** See {@linkcode trafficFigures}. */
export type TrafficFigures = z.infer<typeof trafficFigures>;

/** Answers by SQL function. */
export const TRAFFIC = {
  traffic_split: trafficSplit,
  set_traffic: trafficSplit,
  traffic_figures: trafficFigures,
};
