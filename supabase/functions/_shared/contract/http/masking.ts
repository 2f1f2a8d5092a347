/**
 * Masked messaging over HTTP.
 *
 * @module
 */
import { z } from "zod";
import { MASKING as ANSWERS } from "../answers/masking.ts";

const flag = z.strictObject({
  value: z.boolean(),
  from: z.enum(["environment", "setting", "default"]).describe("What says so"),
});

const report = ANSWERS.messages_diagnostics.unwrap().extend({
  org_id: z.guid(),
  flags: z.strictObject({
    ENABLE_MESSAGING_V1: flag,
    ENABLE_PROACTIVE_THREAD_CREATION: flag,
    ENABLE_SITTER_MESSAGES_V1: flag,
  }),
});
/** How masked messaging of an organisation is doing, with its flags. */
export type MessagesReport = z.infer<typeof report>;

const threads = z.strictObject({ threads: ANSWERS.list_threads });
/** A page of threads. */
export type Threads = z.infer<typeof threads>;

const thread = ANSWERS.read_thread.unwrap();
/** A thread with a page of its texts. */
export type ThreadPage = z.infer<typeof thread>;

const inbox = z.strictObject({ texts: ANSWERS.owner_inbox });
/** A page of the owner inbox. */
export type OwnerInbox = z.infer<typeof inbox>;

const text = z.strictObject({
  text: z.string().min(1).max(1600),
  idempotency_key: z.string().min(1).max(255).regex(/^[\x21-\x7e]+$/, "must be visible ASCII characters")
    .optional(),
});
/** What an owner or a sitter writes into a thread. */
export type ThreadText = z.infer<typeof text>;

const sent = ANSWERS.send_in_thread.extend({
  segments: z.int(),
  /** Of a sitter outside of the window: when the next one opens. */
  next: z.iso.datetime({ offset: true }).optional(),
});
/** Where a text from the app went. */
export type ThreadTextSent = z.infer<typeof sent>;

const force = z.strictObject({ reason: z.string().trim().min(1).max(500) });
const review = z.strictObject({ was_right: z.boolean() });

/** Bodies of requests, for the function. */
export const MASKED_BODIES = { text, force, review } as const;

/** Schemas of this module that docs/openapi.yaml names. */
export const MASKED = {
  MessagesReport: report,
  MessagingFlag: flag,
  Threads: threads,
  ThreadPage: thread,
  OwnerInbox: inbox,
  ThreadText: text,
  ThreadForce: force,
  ThreadReview: review,
  ThreadTextSent: sent,
} as const;
