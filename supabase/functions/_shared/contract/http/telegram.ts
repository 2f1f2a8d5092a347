/**
 * What `telegram-webhook` says of its setup.
 *
 * @module
 */
import { z } from "zod";

/** The answer of `GET /setup`. */
export const telegramSetup = z.strictObject({
  /** Null if Telegram does not know the token. */
  bot: z.strictObject({
    username: z.string(),
    /** Whether it reads everything in groups: more than it needs. */
    reads_all: z.boolean(),
  }).nullable(),
  /** What Telegram says of the webhook; null if it says nothing. */
  webhook: z.strictObject({
    /** Where it reports to; empty for nowhere. */
    url: z.string(),
    /** Updates that wait to be taken. */
    pending: z.int(),
    last_error: z.string().nullable(),
    last_error_at: z.iso.datetime().nullable(),
    allowed_updates: z.array(z.string()),
  }).nullable(),
  /** Where it is to report to. */
  url: z.string(),
  /** What is missing or wrong; null for nothing. */
  fault: z.string().nullable(),
});
/** The answer of `GET /setup`. */
export type TelegramSetup = z.infer<typeof telegramSetup>;

/** An update; Telegram adds members at any time. */
export const telegramUpdate = z.looseObject({ update_id: z.int().describe("The same for each repetition.") });

/** The answer to an update: a call of the Bot API for a press or a command, as Telegram allows it. */
export const telegramAnswer = z.union([
  z.strictObject({ stored: z.boolean().describe("False if it had come before, or cannot be read.") }),
  z.looseObject({ method: z.enum(["answerCallbackQuery", "sendMessage"]) }),
]);

/** Cards are being brought up to date. */
export const cardWork = z.strictObject({ status: z.literal("editing") });

/** Answers from chats are being worked on. */
export const replyWork = z.strictObject({ status: z.literal("answering") });

/** Schemas of this module that docs/openapi.yaml names. */
export const TELEGRAM_HTTP = {
  TelegramSetup: telegramSetup,
  CardWork: cardWork,
  ReplyWork: replyWork,
  TelegramUpdate: telegramUpdate,
  TelegramAnswer: telegramAnswer,
};
