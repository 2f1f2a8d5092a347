/**
 * What the database answers about Telegram: chats, cards, and what people press.
 *
 * @module
 */
import { z } from "zod";
import { at, count, id, passed } from "./common.ts";

/** Ids of Telegram's have up to 52 bits. */
const telegramId = z.int();

export const chatConfig = z.strictObject({
  chat_id: telegramId,
  /** Null for a chat without topics. */
  topic_id: telegramId.nullable(),
});
/** The config of a destination of kind `telegram`. */
export type ChatConfig = z.infer<typeof chatConfig>;

export const cardToSend = z.strictObject({
  /** Names the card in its buttons. */
  token: z.string(),
  /** Whether it was sent by somebody who did not come back to say so. */
  is_sent: z.boolean(),
});

const cardOnCall = z.strictObject({
  /** Name of the schedule. */
  schedule: z.string(),
  /** How sure it is: `unlinked`: known, but not in Telegram; `stale`: as it was a while ago; `failed`: nobody knows. */
  outcome: z.enum(["found", "unlinked", "stale", "empty", "failed"]),
  /** When the answer was given. */
  at: at.nullable(),
  people: z.array(z.strictObject({ name: z.string(), telegram_id: telegramId.nullable() })),
});
/** Who is on call, as a card says it. */
export type CardOnCall = z.infer<typeof cardOnCall>;

/** The states of a card. */
export const CARD_STATES = ["open", "acknowledged", "snoozed", "resolved", "spam"] as const;

const cardEdit = z.strictObject({
  delivery_id: id,
  lease: id,
  token: z.string(),
  version: count,
  chat_id: telegramId,
  topic_id: telegramId.nullable(),
  /** Of the part with the buttons. */
  message_id: telegramId,
  state: z.enum(CARD_STATES),
  /** Who pressed last, as the chat knows the person. */
  by: z.string().nullable(),
  at: at.nullable(),
  until: at.nullable(),
  oncall: cardOnCall.nullable(),
  /** Its snooze is over: somebody is to notice. */
  is_woken: z.boolean(),
  message: z.strictObject({
    channel: z.string(),
    type: z.string(),
    text: z.string().nullable(),
    native: passed.nullable(),
    contact: z.strictObject({ name: z.string().nullable(), identities: z.record(z.string(), z.string()) }),
  }),
});
/** A card whose message in the chat is to be brought up to date. */
export type CardEdit = z.infer<typeof cardEdit>;

const chat = z.strictObject({
  id: telegramId,
  kind: z.enum(["private", "group", "supergroup", "channel"]),
  title: z.string().nullable(),
  is_forum: z.boolean(),
  /** Whether somebody of the team added the bot. */
  by_team: z.boolean(),
  state: z.enum(["member", "left"]),
  moved_to: telegramId.nullable(),
  destinations: z.array(z.strictObject({
    name: z.string(),
    topic_id: telegramId.nullable(),
    state: z.enum(["active", "paused"]),
    paused_because: z.string().nullable(),
  })),
});
/** A chat that the bot is or was in. */
export type TelegramChat = z.infer<typeof chat>;

/** What became of an update of Telegram's. */
const takenUpdate = z.strictObject({
  /** False: it had come before. */
  is_new: z.boolean(),
  /** What the person is told, for a press or a command. */
  answer: z.string().nullable(),
  /** Whether the answer is to be noticed: a refusal. */
  alert: z.boolean(),
  /** Whether cards are to be brought up to date. */
  edits: z.boolean(),
});

export const TELEGRAM = {
  add_telegram_destination: z.strictObject({
    id,
    name: z.string(),
    url: z.string(),
    state: z.literal("active"),
  }),
  list_telegram_chats: z.array(chat),
  take_telegram_update: takenUpdate,
  claim_card_edits: z.array(cardEdit),
  claim_card_clears: z.array(z.strictObject({
    chat_id: telegramId,
    message_id: telegramId,
    /** Whether it is the file behind a card. */
    is_file: z.boolean(),
  })),
  link_telegram: z.strictObject({ token: z.string(), expires_at: at }),
};
