/**
 * What many answers are made of.
 *
 * Answers are strict: a member that the database adds and nobody declares is found by the tests, which check each answer.
 * In production nothing is checked; who reads answers takes from here only types.
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
/** Anything that belongs to a code and is put into words elsewhere. */
export const figures = z.record(z.string(), z.unknown());
/** JSON that goes through unread. */
export const passed = z.record(z.string(), z.unknown());

/** How a limit stands after a take. */
export const rate = z.strictObject({
  allowed: z.boolean(),
  limit: count,
  remaining: count,
  reset_ms: count,
  /** Milliseconds until the same take would be allowed: 0 when allowed, null when it is above the burst. */
  retry_after_ms: count.nullable(),
});
export type Rate = z.infer<typeof rate>;

/** How a destination stands, as people are shown it. */
export const destinationState = z.enum(["active", "paused", "circuit_open"]);
