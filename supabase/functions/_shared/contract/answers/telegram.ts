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

/** What a card shows besides its own mail. */
const folded = z.strictObject({
  count: z.int().min(1),
  last_at: at,
  /** The last few, latest first. */
  latest: z.array(z.strictObject({ at, subject: z.string().nullable() })).nullable(),
});
/** See {@linkcode folded}. */
export type Folded = z.infer<typeof folded>;

export const cardToSend = z.strictObject({
  /** Names the card in its buttons. */
  token: z.string(),
  /** Whether it was sent by somebody who did not come back to say so. */
  is_sent: z.boolean(),
  folded: folded.optional(),
});

const SENTIMENTS = ["positive", "neutral", "negative"] as const;
const URGENCIES = ["critical", "high", "normal", "low"] as const;

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
  /** Its snooze is over: somebody is to notice. */
  is_woken: z.boolean(),
  folded: folded.optional(),
  /** What was found out about the mail; null for nothing (yet), absent where nothing can be. */
  analysis: z.strictObject({
    sentiment: z.enum(SENTIMENTS).nullable(),
    urgency: z.enum(URGENCIES).nullable(),
    summary: z.string().nullable(),
    /** Whether the card asks what is right. */
    is_asking: z.boolean(),
    /** Whether somebody said what is right. */
    is_corrected: z.boolean(),
  }).nullable().optional(),
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
  card_mails: z.array(z.strictObject({
    message_id: id,
    at,
    from: z.string().nullable(),
    to: z.string().nullable(),
    subject: z.string().nullable(),
    text: z.string().nullable(),
  })),
  link_telegram: z.strictObject({ token: z.string(), expires_at: at }),
};
