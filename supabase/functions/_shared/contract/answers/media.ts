/**
 * Answers about files of messages.
 *
 * @module
 */
import { z } from "zod";
import { at, count, id, passed } from "./common.ts";

const stored = z.strictObject({ path: z.string(), bytes: count }).nullable();

const dueMedia = z.strictObject({
  message_id: id,
  number_id: z.string(),
  /** The provider's id. */
  media_id: z.string(),
  mime_type: z.string().nullable(),
  sha256: z.string().nullable(),
  attempt: count,
  lease: id,
});
/** A file to store. */
export type DueMedia = z.infer<typeof dueMedia>;

const foundMedia = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("message"),
    type: z.string(),
    number_id: z.string(),
    at,
    direction: z.enum(["in", "out"]),
    /** Its author withdrew the message. */
    withdrawn: z.boolean(),
    /** The file as the provider described it; null for messages without one, and once the raw form was purged. */
    part: passed.nullable(),
    stored,
    mime_type: z.string().nullable(),
  }),
  z.strictObject({
    kind: z.literal("upload"),
    mime_type: z.string(),
    sha256: z.string(),
    name: z.string().nullable(),
    at,
    stored,
  }),
]).nullable();
/** The file of a message, or an upload. */
export type FoundFile = z.infer<typeof foundMedia>;

const outboundOutcome = z.strictObject({
  state: z.enum(["queued", "leased", "sent", "failed", "unknown"]),
  /** As the channel described the failure. */
  error: passed.nullable(),
  provider_id: z.string().nullable(),
  phone: z.string().nullable(),
  bsuid: z.string().nullable(),
});
/** What became of a queued message so far. */
export type OutboundOutcome = z.infer<typeof outboundOutcome>;

/** By function. */
export const MEDIA = {
  claim_media: z.array(dueMedia),
  find_media: foundMedia,
  add_media_upload: z.strictObject({
    id,
    mime_type: z.string(),
    sha256: z.string(),
    size: count,
    name: z.string().nullable(),
    expires_at: at,
    known: z.boolean(),
    number_id: z.string().nullable(),
  }),
  remove_media_upload: z.strictObject({
    removed: z.boolean(),
    media_ids: z.array(z.strictObject({ number_id: z.string(), media_id: z.string() })),
  }),
  outbound_outcome: outboundOutcome,
  upload_to_send: z.strictObject({
    path: z.string(),
    mime_type: z.string(),
    name: z.string().nullable(),
    bytes: count,
    media_id: z.string().nullable(),
  }).nullable(),
} as const;
