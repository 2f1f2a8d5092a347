/**
 * Answers about texts: our numbers, and what is compared with a provider's list.
 *
 * @module
 */
import { z } from "zod";
import { at, count } from "./common.ts";

/** Who carries texts. */
const provider = z.enum(["twilio", "telnyx"]);

export const claimedText = z.strictObject({ provider });
/** What the database adds to a text that goes out. */
export type ClaimedText = z.infer<typeof claimedText>;

const textNumber = z.strictObject({
  /** Digits. */
  number: z.string(),
  provider: z.string(),
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
    url: z.string(),
    type: z.string().nullable(),
    size: count.nullable(),
  })),
}).nullable();

/** By function. */
export const SMS = {
  set_text_number: textNumber,
  list_text_numbers: z.array(textNumber),
  claim_text_check: textCheck.nullable(),
  find_sent_texts: z.strictObject({ found: z.array(z.string()), absent: count }),
  find_text_media: foundTextMedia,
};
