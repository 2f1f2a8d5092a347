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

/** Addresses of a text's files, in order; each expires after an hour. */
const files = z.array(z.url());
const entry = ANSWERS.read_thread.unwrap().shape.entries.element.omit({ files_of: true }).extend({ files });
/** A text of a thread, where it went, and its files. */
export type ReadText = z.infer<typeof entry>;
const item = ANSWERS.owner_inbox.element.omit({ files_of: true }).extend({ files });
/** A text outside of its thread, and its files. */
export type InboxText = z.infer<typeof item>;

const thread = ANSWERS.read_thread.unwrap().extend({ entries: z.array(entry) });
/** A thread with a page of its texts. */
export type ThreadPage = z.infer<typeof thread>;

const inbox = z.strictObject({ texts: z.array(item) });
/** A page of the owner inbox. */
export type OwnerInbox = z.infer<typeof inbox>;

const findings = ANSWERS.list_findings.extend({ texts: z.array(item) });
/** A page of texts with findings. */
export type Findings = z.infer<typeof findings>;

const me = z.strictObject({
  orgs: z.array(z.strictObject({
    org_id: z.guid(),
    name: z.string(),
    zone: z.string(),
    role: z.enum(["owner", "admin", "sitter"]),
  })),
});
/** The organisations in which somebody has messaging. */
export type MessagesMe = z.infer<typeof me>;

const words = z.string().min(1).max(1600);
const check = z.strictObject({ text: words });
const checked = z.strictObject({
  outcome: z.enum(["pass", "warn", "block"])
    .describe("warn: it would be sent, and noted for the owner; block: it would wait for the owner"),
  types: z.array(z.string()).describe("What it seems to hold"),
  segments: z.int().describe("How many segments it is sent as"),
});
/** What would become of a text. */
export type ThreadChecked = z.infer<typeof checked>;

const text = z.strictObject({
  text: words,
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
export const MASKED_BODIES = { text, check, force, review } as const;

/** Schemas of this module that docs/openapi.yaml names. */
export const MASKED = {
  MessagesReport: report,
  MessagingFlag: flag,
  Threads: threads,
  ThreadPage: thread,
  OwnerInbox: inbox,
  MessagesFindings: findings,
  MessagesMe: me,
  ThreadText: text,
  ThreadCheck: check,
  ThreadChecked: checked,
  ThreadForce: force,
  ThreadReview: review,
  ThreadTextSent: sent,
} as const;
