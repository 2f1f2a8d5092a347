/**
 * Destinations and deliveries, as the panel and the command line show them; and the headers that `wa-router` encrypts.
 *
 * @module
 */
import { z } from "zod";
import { DESTINATION_FORMATS, WHEN_TAKEN } from "../event_types.ts";
import { at, count, destinationState, id } from "./common.ts";

const header = z.strictObject({
  name: z.string(),
  key: z.string().describe("Name of the key that encrypts it"),
  set_at: at,
  set_by: z.string(),
});

const attempt = z.strictObject({
  delivery_id: id,
  /** The message that came in, or that an event is about; null for other events. */
  message_id: id.nullable(),
  last_four: z.string().nullable(),
  /** Of the message, or of another event. */
  type: z.string(),
  /** From 1; zero and below are attempts before a person had it tried anew. */
  attempt: z.int(),
  outcome: z.enum(["delivered", "retry", "dead"]),
  status: z.int().nullable(),
  latency_ms: z.int().nullable(),
  error: z.string().nullable(),
  /** What the service answered, without ids of people; null for viewers. */
  answer: z.string().nullable(),
  at,
});
/** One attempt to deliver a message to a destination. */
export type LoggedAttempt = z.infer<typeof attempt>;

const health = z.strictObject({
  id,
  name: z.string(),
  url: z.string(),
  /** Increases with each change made by a person. */
  version: z.int(),
  /** When a person last changed it, and who. */
  updated_at: at,
  updated_by: z.string(),
  state: destinationState,
  circuit_open_until: at.nullable(),
  /** The answer that paused it; null if no answer did. */
  paused_because: z.string().nullable(),
  failure_policy: z.record(z.string(), z.enum(["hold", "aside", "pause"])),
  /** The types of events that it receives: names, families such as `template.*`, or `*`. */
  events: z.array(z.string()),
  format: z.enum(DESTINATION_FORMATS),
  when_taken: z.enum(WHEN_TAKEN),
  timeout_ms: z.int(),
  rate_per_second: z.number().nullable(),
  /** Waits between attempts: its own, or the setting's; null for the built-in schedule. */
  retry_seconds: z.array(z.number()).nullable(),
  secrets: z.array(z.strictObject({ created_at: at, expires_at: at.nullable() })).nullable(),
  /** Its custom headers, without their values. */
  headers: z.array(header),
  /** Names of the routes that lead to it. */
  routes: z.array(z.string()),
  /** Waiting deliveries, and since when the oldest one has waited. */
  open: count,
  oldest_at: at.nullable(),
  dead: count,
  /** Of the latest 500 deliveries of the last day. */
  attempts: count,
  delivered: count,
  p50_ms: z.number().nullable(),
  p95_ms: z.number().nullable(),
  /** The latest attempt of those that failed. */
  last_failure: attempt.nullable(),
});
/** A destination with its state and recent figures. */
export type DestinationHealth = z.infer<typeof health>;

const waiting = z.strictObject({
  id,
  /** As the conversation, null for an event that concerns none. */
  message_id: id.nullable(),
  conversation_id: id.nullable(),
  last_four: z.string().nullable(),
  /** Id of its queue, by which pages go on. */
  lane: id,
  destination: z.string(),
  /** Of the message, or of another event. */
  type: z.string(),
  state: z.enum(["pending", "leased"]),
  attempt: z.int(),
  last_error: z.string().nullable(),
  next_attempt_at: at,
  created_at: at,
  /** When its conversation is due, by which the list is ordered. */
  due_at: at,
  /** Later deliveries of the same conversation that wait for this one. */
  behind: count,
});
/** The first waiting delivery of a conversation to a destination. */
export type WaitingDelivery = z.infer<typeof waiting>;

const dead = z.strictObject({
  id,
  /** As the conversation, null for an event that concerns none. */
  message_id: id.nullable(),
  conversation_id: id.nullable(),
  last_four: z.string().nullable(),
  destination: z.string(),
  /** Of the message, or of another event. */
  type: z.string(),
  attempt: z.int(),
  last_error: z.string().nullable(),
  dropped_reason: z.string().nullable(),
  created_at: at,
  updated_at: at,
});
/** A dead letter: a delivery that will not be attempted again. */
export type DeadLetter = z.infer<typeof dead>;

const state = z.enum(["active", "paused"]);

const destinationFigures = z.strictObject({
  /** Length of a point. */
  seconds: z.int(),
  points: z.array(z.strictObject({ at, delivered: count, failed: count })),
  errors: z.array(
    z.strictObject({ error: z.string().nullable(), status: z.int().nullable(), n: count, last_at: at }),
  ),
});

/** The answers by function name. */
export const DELIVERIES = {
  destination_health: z.array(health),
  /** `next` is the last delivery that was read; null at the end. */
  delivery_log: z.strictObject({ attempts: z.array(attempt), next: z.strictObject({ at, id }).nullable() }),
  destination_figures: destinationFigures,
  destination_span: destinationFigures,
  list_waiting: z.array(waiting),
  list_dead_letters: z.array(dead),
  /** `before` is the time for change_matching_deliveries. */
  count_matching_deliveries: z.strictObject({ count, before: at }),
  /** `after` is null at the end of the range. */
  resend_deliveries: z.strictObject({ resent: count, after: id.nullable() }),
  /** With its signing secret, which is not shown again. */
  add_destination: z.strictObject({
    id,
    name: z.string(),
    url: z.string(),
    state: z.literal("active"),
    secret: z.string(),
  }),
  set_destination: z.strictObject({
    id,
    name: z.string(),
    url: z.string(),
    state,
    timeout_ms: z.int(),
    rate_per_second: z.number().nullable(),
    rate_burst: z.int(),
    retry_seconds: z.array(z.number()).nullable(),
    failure_policy: z.record(z.string(), z.enum(["hold", "aside", "pause"])),
    events: z.array(z.string()),
    format: z.enum(DESTINATION_FORMATS),
    when_taken: z.enum(WHEN_TAKEN),
    version: z.int(),
  }),
  set_destination_state: z.strictObject({ id, name: z.string(), url: z.string(), state }),
  remove_destination: z.strictObject({ id, name: z.string(), dropped: count }),
  rotate_destination_secret: z.strictObject({
    name: z.string(),
    secret: z.string(),
    old_secret_signs_until: at,
  }),
  destination_to_test: z.strictObject({
    id,
    url: z.string(),
    timeout_ms: z.int(),
    format: z.enum(DESTINATION_FORMATS),
    /** Custom headers, encrypted. */
    headers: z.record(z.string(), z.string()).nullable(),
    /** Newest first. */
    secrets: z.array(z.string()),
  }),
  set_destination_headers: z.array(header),
  sealed_headers: z.array(z.strictObject({ destination_id: id, name: z.string(), sealed: z.string() })),
} as const;
