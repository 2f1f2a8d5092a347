/**
 * The bodies and answers of the function `gateway`.
 *
 * @module
 */
import { z } from "zod";
import { trafficSplit } from "../answers/traffic.ts";

const side = z.enum(["blue", "green"]);
const percentage = z.number().min(0).max(100);
const rate = z.number().min(0).max(1).nullable().describe(
  "Share of requests that failed (5xx); null without any",
);

/** The body of `POST /api/traffic`. */
export const trafficChange = z.object({
  environment: side,
  percentage: percentage.describe(
    "Percentage of visitors who go there, in steps of 0.01; the others go to the other one",
  ),
  reason: z.string().min(1).max(500).optional().describe("Kept in the history"),
});
/** See {@linkcode trafficChange}. */
export type TrafficChange = z.infer<typeof trafficChange>;

/** The answer of `POST /api/traffic` and `GET /api/traffic`. */
export const traffic = z.strictObject({
  environment: side.describe("As asked; of GET, the one with more visitors"),
  percentage: percentage.describe("What that environment gets"),
  ...trafficSplit.shape,
});
/** See {@linkcode traffic}. */
export type Traffic = z.infer<typeof traffic>;

/** The answer of `GET /api/metrics/error-rate` without the token. */
export const errorRate = z.strictObject({
  error_rate: rate,
  window_minutes: z.int(),
  environments: z.strictObject({
    blue: z.looseObject({ error_rate: rate }),
    green: z.looseObject({ error_rate: rate }),
  }).describe("With the token also requests, failed, refused, mean_ms and p99_ms"),
});
/** See {@linkcode errorRate}. */
export type ErrorRate = z.infer<typeof errorRate>;

/** The answer of `GET /split`, for a proxy that chooses itself. */
export const split = z.strictObject({
  green: percentage.describe("Percentage of visitors who go to green"),
  salt: z.string().describe("What the hash of a visitor begins with"),
  revision: z.int(),
});
/** See {@linkcode split}. */
export type Split = z.infer<typeof split>;

/** Schemas of this module that docs/openapi.yaml names. */
export const TRAFFIC_HTTP = {
  TrafficChange: trafficChange,
  Traffic: traffic,
  ErrorRate: errorRate,
  Split: split,
};
