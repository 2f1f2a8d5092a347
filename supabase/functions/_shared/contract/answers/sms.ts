/**
 * Answers about texts: our numbers, and what is compared with a provider's list.
 *
 * @module
 */
import { z } from "zod";
import { at, count, id } from "./common.ts";

/** Who carries texts. */
const provider = z.enum(["twilio", "telnyx"]);

export const claimedText = z.strictObject({
  provider,
  /** The provider's account that has the number; null for the main one. */
  account: z.string().nullable(),
});
/** What the database adds to a text that goes out. */
export type ClaimedText = z.infer<typeof claimedText>;

const textNumber = z.strictObject({
  /** Digits. */
  number: z.string(),
  provider: z.string(),
  /** The provider's account that has it; null for the main one. */
  account: z.string().nullable(),
  /** What it is for, where numbers differ in that. */
  class: z.string().nullable(),
  state: z.enum(["active", "paused"]),
  /** Segments. */
  max_per_second: count,
  /** Since when a fault of the account or the number keeps everything from being sent. */
  held_since: at.nullable(),
  held_code: z.string().nullable(),
  /** Conversations with something to send. */
  waiting: count,
  created_at: at,
});
/** A number of ours for texts. */
export type TextNumber = z.infer<typeof textNumber>;

const textCheck = z.strictObject({
  provider,
  /** The list is read back to this time. */
  since: at,
  /** Our numbers at that provider. */
  numbers: z.array(z.string()),
  /** When this check began: what the list was read up to, once it is settled. */
  began: at,
});
/** A comparison with a provider's list that is due. */
export type TextCheck = z.infer<typeof textCheck>;

const foundTextMedia = z.strictObject({
  provider,
  media: z.array(z.strictObject({
    /** At the provider; null once it was deleted there. */
    url: z.string().nullable(),
    /** The sender's word; of a stored file, what its content says too. */
    type: z.string().nullable(),
    size: count.nullable(),
    /** Our copy. */
    stored: z.strictObject({ path: z.string(), bytes: count }).nullable(),
  })),
}).nullable();
/** The files of a text. */
export type FoundTextMedia = z.infer<typeof foundTextMedia>;

const dueTextFile = z.strictObject({
  id,
  /** `delete`: at the provider. */
  work: z.enum(["store", "delete"]),
  /** Null if the message is gone. */
  message_id: id.nullable(),
  place: count,
  provider,
  /** At the provider. */
  url: z.string(),
  /** The sender's word. */
  mime_type: z.string().nullable(),
  attempt: count,
  lease: id,
  created_at: at,
});
/** A file of a text to store, or to delete at its provider. */
export type DueTextFile = z.infer<typeof dueTextFile>;

/** By function. */
export const SMS = {
  set_text_number: textNumber,
  list_text_numbers: z.array(textNumber),
  claim_text_check: textCheck.nullable(),
  text_account: z.string().nullable(),
  number_of_text: z.string().nullable(),
  known_texts: z.array(z.string()),
  find_sent_texts: z.strictObject({ found: z.array(z.string()), absent: count }),
  find_text_media: foundTextMedia,
  claim_text_file: dueTextFile.nullable(),
};
