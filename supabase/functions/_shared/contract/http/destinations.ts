/**
 * Tests of a destination and its custom headers, over HTTP.
 *
 * @module
 */
import { z } from "zod";
import { DELIVERIES } from "../answers/deliveries.ts";
import { count, id } from "../answers/common.ts";
import { DELIVERY_ERRORS, REPLY_FAULTS } from "../states.ts";
import { HEADER_NAME, HEADER_VALUE, MAX_HEADER_VALUE, MAX_HEADERS, MAX_SHOWN } from "./limits.ts";

/** The answer of `wa-router` to the clock; the work continues in the background. */
export const draining = z.strictObject({ status: z.literal("draining") });

/** The answer of `flags` to the clock. */
export const notifying = z.strictObject({ status: z.literal("notifying") });

/** The result of a destination's test. */
export const tested = z.strictObject({
  destination: z.string(),
  url: z.string(),
  webhook_id: id.describe("The event's, as the service got it"),
  ok: z.boolean().describe("Whether the answer was 2xx"),
  status: z.int().optional().describe("Absent if there was no answer"),
  latency_ms: count,
  error: z.enum(DELIVERY_ERRORS).optional(),
  detail: z.string().optional().describe("Details of the error"),
  answer: z.string().max(MAX_SHOWN).optional().describe("The beginning of the answer"),
  replies: z.int().optional()
    .describe("Replies found in the answer; after a message they would be sent"),
  replies_ignored: z.enum(REPLY_FAULTS).optional().describe("Why the replies would not be used"),
  advice: z.string().optional()
    .describe("What to do if it failed or its replies would not be used"),
});
/** See {@linkcode tested}. */
export type Tested = z.infer<typeof tested>;

/** The body that sets headers. Names are case-insensitive; names that deliveries use themselves are refused. */
export const headersToSet = z.looseObject({
  headers: z.record(
    z.string().regex(HEADER_NAME),
    z.string().max(MAX_HEADER_VALUE).regex(HEADER_VALUE).nullable(),
  ).meta({ minProperties: 1, maxProperties: MAX_HEADERS }),
});

/** A destination's headers, without their values. */
export const headersSet = z.strictObject({
  destination: z.string(),
  headers: DELIVERIES.set_destination_headers,
});
/** See {@linkcode headersSet}. */
export type HeadersSet = z.infer<typeof headersSet>;

/** The result of encrypting all headers with the current key. */
export const resealed = z.strictObject({
  key: z.string().describe("Name of the key now in use"),
  resealed: count,
  left: count.describe("Headers whose key is missing; set them again"),
});
/** See {@linkcode resealed}. */
export type Resealed = z.infer<typeof resealed>;

/** Schemas of this module that docs/openapi.yaml names. */
export const DESTINATIONS = {
  Draining: draining,
  HeadersSet: headersSet,
  HeadersToSet: headersToSet,
  Notifying: notifying,
  Resealed: resealed,
  Tested: tested,
} as const;
