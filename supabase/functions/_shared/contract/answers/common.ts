/**
 * Parts that several answers share.
 *
 * Answers are strict objects: the tests, which check each answer, fail on a member that is not declared here.
 * Nothing is checked in production; product code imports only the types.
 *
 * @module
 */
import { z } from "zod";

/** A uuid. */
export const id = z.guid();
/** A time as Postgres writes it in JSON. */
export const at = z.string().regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/);
/** A number of things. */
export const count = z.int().min(0);
/** Details that belong to a code. Another module puts the code and its details into words. */
export const figures = z.record(z.string(), z.unknown());
/** JSON that is passed on without being read. */
export const passed = z.record(z.string(), z.unknown());

/** The state of a rate limit after a take. */
export const rate = z.strictObject({
  allowed: z.boolean(),
  limit: count,
  remaining: count,
  reset_ms: count,
  /** Milliseconds until the same take would be allowed: 0 if it is allowed now, null if it exceeds the burst. */
  retry_after_ms: count.nullable(),
});
export type Rate = z.infer<typeof rate>;

/** The state of a destination as the panel and the command line show it. */
export const destinationState = z.enum(["active", "paused", "circuit_open"]);
