/**
 * Messages over HTTP: the answers of the webhook and `wa-send`, the event for services, and a service's answer.
 *
 * Messages to send have the shape of their channel, which only that channel's folder knows.
 *
 * @module
 */
import { z } from "zod";
import { count, id, passed } from "../answers/common.ts";
import { OUTBOUND_STATES } from "../states.ts";
import { MAX_REPLIES } from "./limits.ts";

const time = z.iso.datetime({ offset: true });

/** The answer to a channel's webhook. */
export const taken = z.strictObject({ received: count, stored: count, duplicates: count })
  .describe("Updates, not messages; received is the sum of the others");
/** See {@linkcode taken}. */
export type Taken = z.infer<typeof taken>;

/** The answer of `email-webhook` to the clock. */
export const purged = z.strictObject({ removed: count }).describe("How many stored files were removed");

/** The answer of `wa-send`. */
export const queued = z.strictObject({
  id: id.describe("Returned as `messages.id`"),
  status: z.enum(OUTBOUND_STATES).describe("queued, unless the idempotency key was already known"),
  used_fallback: z.literal(true).optional().describe("The window was closed and the template was used"),
  taken_over: z.strictObject({
    conversation_id: id.describe("What `release_conversation` takes"),
    by: z.string(),
    since: time,
    until: time,
  }).optional().describe("Who has the conversation now, if the message asked to take it over"),
  biz_opaque_callback_data: z.string().optional()
    .describe("Your own tracking value, if the message had one"),
});
/** See {@linkcode queued}. */
export type QueuedAnswer = z.infer<typeof queued>;

const message = z.strictObject({
  id,
  seq: z.int().describe("Increases within a conversation: its order"),
  channel: z.string().meta({ description: "Its channel", examples: ["whatsapp"] }),
  type: z.string().describe("WhatsApp's type: text, image, interactive, …; call for an incoming call"),
  text: z.string().nullable()
    .describe("The text of any type: body, caption, title of the chosen button, emoji"),
  choice: z.string().nullable()
    .describe(
      "Id of the chosen button or list row, a quick reply's payload, or the token of the answered Flow",
    ),
  reply_to: z.string().nullable()
    .describe("`provider_id` of the message that it answers, edits, withdraws or reacts to"),
  referral: passed.nullable().describe("The ad or post that the person came from"),
  forwarded: z.boolean(),
  author: z.strictObject({
    id,
    name: z.string().nullable(),
    phone: z.string().optional().describe("Digits; absent if the person hides it"),
    bsuid: z.string().optional().describe("Business-scoped user id"),
    parent_bsuid: z.string().optional(),
    username: z.string().optional(),
  }).optional().describe("Who of the group wrote it; absent in a conversation with one person"),
  flow: z.strictObject({
    token: z.string().nullable().describe("With which the Flow was sent; null if it was sent with none"),
    answers: passed.describe("By the names of the Flow's fields"),
  }).optional().describe("The answers of a Flow; absent for anything else"),
  provider_id: z.string().nullable().describe("wamid"),
  native: passed.nullable()
    .describe("The message in WhatsApp's format; null, like the text, once it was withdrawn"),
  sent_at: time.nullable(),
  received_at: time,
});

/** The link that a message came from. */
export const messageLink = z.strictObject({
  code: z.string(),
  external_id: z.string().optional(),
  tags: z.array(z.string()),
  campaign: z.string().optional(),
  utm: passed.optional(),
}).describe("The link that the message came from; absent without one");

/** What led to a message. */
export const attribution = z.strictObject({
  confidence: z.enum(["exact", "referral", "contact", "low"]).describe(
    "exact: the first message with the link's token; referral: Meta names the ad; contact: the person clicked a " +
      "link with their id; low: the token was forwarded, used before, or is too old",
  ),
  reason: z.string(),
  first_touch: z.boolean().describe("Whether it is the first one known for this person"),
  clicked_at: time.optional(),
  user_id: z.string().optional(),
  token: z.string().optional(),
  ctwa_clid: z.string().optional().describe("The click id of the ad"),
}).describe("What led to the message, if known");

const media = z.strictObject({
  id: z.string().describe("The provider's id of the file"),
  mime_type: z.string().nullable(),
  sha256: z.string().nullable().describe("In base64, as WhatsApp gives it; checked when you fetch the file"),
  size: z.int().nullable().describe("In bytes; null where the provider does not say it beforehand"),
  name: z.string().nullable().describe("File name of a document"),
  url: z.url().describe(
    "Gives this file without a key until `expires_at`; `GET wa-media/{message.id}` with a key does so later",
  ),
  expires_at: time.describe("Each attempt to deliver the event has a new address"),
}).describe("The message's file; absent without one");
/** See {@linkcode media}. */
export type EventMedia = z.infer<typeof media>;

/** The person of an event. */
export const eventContact = z.strictObject({
  id,
  name: z.string().nullable(),
  phone: z.string().optional().describe("Digits; absent if the person hides it"),
  bsuid: z.string().optional().describe("Business-scoped user id"),
  parent_bsuid: z.string().optional(),
  username: z.string().optional(),
  group: z.string().optional()
    .describe("The group that it was written in, which receives replies; `message.author` wrote it"),
});

/** The event that a service receives. */
export const messageReceived = z.strictObject({
  type: z.literal("message.received"),
  timestamp: time.describe("When the person sent it, by Meta's clock"),
  data: z.strictObject({
    resent: z.int().min(1).optional().describe(
      "How often a person has resent it after delivery; absent if never. The `webhook-id` stays the same",
    ),
    message,
    media: media.optional(),
    link: messageLink.optional(),
    attribution: attribution.optional(),
    conversation: z.strictObject({
      id,
      number_id: z.string().describe("`phone_number_id` of the business number"),
      taken_over: z.strictObject({
        by: z.string().describe(
          "A user id, app for the WhatsApp Business app, or the name that the API's caller gave",
        ),
        since: time,
        until: time.describe("When it ends by itself"),
      }).optional().describe(
        "A person has the conversation: do not answer. Only destinations with `when_taken: mark` get such messages",
      ),
    }),
    contact: eventContact,
  }),
});
/** See {@linkcode messageReceived}. */
export type MessageReceived = z.infer<typeof messageReceived>;

/** A service's answer with messages to send back, each in the shape of its channel. */
export const repliesOf = (message: z.ZodType) =>
  z.looseObject({
    replies: z.array(message).max(MAX_REPLIES).optional()
      .describe("Messages for the person who wrote, in the format of `wa-send` without `to`"),
  });

/** Schemas of this module that docs/openapi.yaml names. */
export const MESSAGES = { Event: messageReceived, Purged: purged, Queued: queued, Taken: taken } as const;
