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

const onCallPeople = z.strictObject({
  /** When the answer was given. */
  at: at.nullable(),
  people: z.array(z.strictObject({ name: z.string(), telegram_id: telegramId.nullable() })),
});

export const cardToSend = z.strictObject({
  /** Names the card in its buttons. */
  token: z.string(),
  /** Whether it was sent by somebody who did not come back to say so. */
  is_sent: z.boolean(),
  folded: folded.optional(),
  /** Who is on call, where that is known without asking. */
  oncall: onCallPeople.optional(),
});

const SENTIMENTS = ["positive", "neutral", "negative"] as const;
const URGENCIES = ["critical", "high", "normal", "low"] as const;

const cardOnCall = onCallPeople.extend({
  /** Name of the schedule. */
  schedule: z.string(),
  /**
   * How sure it is: `named`: before the lookup, as the card was sent; `unlinked`: known, but not in Telegram; `stale`: as it was
   * a while ago; `failed`: nobody knows.
   */
  outcome: z.enum(["named", "found", "unlinked", "stale", "empty", "failed"]),
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
  /** Whether answers from chats are to be worked on. */
  replies: z.boolean(),
});

const replyFile = z.strictObject({
  file_id: z.string(),
  name: z.string(),
  type: z.string(),
  size: count,
  /** Where it is kept, once it was fetched. */
  bucket: z.string().optional(),
  path: z.string().optional(),
});

const chatReplyFiles = z.strictObject({ id, files: z.array(replyFile) });
/** Files of an answer that are to be fetched. */
export type ChatReplyFiles = z.infer<typeof chatReplyFiles>;

/** The states of an answer from a chat. */
export const REPLY_STATES = ["asked", "waiting", "leaving", "left", "undone", "refused"] as const;

const chatReplyNote = z.strictObject({
  id,
  lease: id,
  chat_id: telegramId,
  topic_id: telegramId.nullable(),
  /** What somebody wrote. */
  ask_id: telegramId,
  /** Null before the note is written. */
  note_id: telegramId.nullable(),
  token: z.string(),
  version: count,
  state: z.enum(REPLY_STATES),
  channel: z.string(),
  to: z.string(),
  from: z.string(),
  asks: z.string().nullable(),
  refused: z.string().nullable(),
  expired: z.boolean(),
  files: count,
  status: z.string().nullable(),
  error: z.string().nullable(),
  by: z.string().nullable(),
});
/** A note below an answer that is to be written, or brought up to date. */
export type ChatReplyNote = z.infer<typeof chatReplyNote>;

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
  claim_chat_replies: z.strictObject({
    /** Answers whose time has come. */
    sends: z.array(id),
    files: z.array(chatReplyFiles),
    notes: z.array(chatReplyNote),
  }),
  reply_in_thread: z.union([
    z.strictObject({
      id,
      state: z.enum(REPLY_STATES),
      /** When it leaves; null once it has, or was undone. */
      due_at: at.nullable(),
      /** The message that it answers. */
      message_id: id,
      to: z.string(),
      from: z.string(),
    }),
    z.strictObject({ error: z.string(), words: z.string() }),
  ]),
  undo_chat_reply: z.strictObject({ state: z.enum(REPLY_STATES) }),
  link_telegram: z.strictObject({ token: z.string(), expires_at: at }),
};
