/**
 * Destinations of kind `telegram`: a message becomes a card in a chat, or in a topic of it.
 *
 * @module
 */
import type { ChatConfig } from "../../contract/answers/telegram.ts";
import type { Forwarded, OwnDestination, SendDeps, Sent } from "../channel.ts";
import { type Bot, type BotAnswer, callBot, chatCaller } from "./api.ts";
import { type Card, cardOf } from "./card.ts";

/** Dependencies of {@linkcode createChatDestination}. */
export interface ChatDestinationDeps {
  /** The bot; why there is none, if so. */
  bot(): Bot | string;
  /** Whether cards are sent at all: a flag, and its kill switch. */
  isOn(): Promise<boolean>;
  /** Whether cards name who is on call: a kill switch. */
  namesOnCall(): boolean;
  /** Keeps where a card is; called again, adds a further message of it. */
  noteCard(card: {
    deliveryId: string;
    chatId: number;
    topicId: number | null;
    messageIds: number[];
  }): Promise<void>;
  /** Notes that a group has another id now. */
  moveChat(from: number, to: number): Promise<void>;
  /** Has everything wait that is for a chat; never rejects. A card that Telegram refuses so waits by its settlement. */
  pauseChat(chatId: number, ms: number): Promise<void>;
  /** A card is there: what is found out about its message may begin. */
  behindCard(channel: string): void;
  /** Counts what did not go as it should, by a word. */
  count(what: string): void;
}

/** How long cards wait while they are off, until somebody looks again. */
const OFF_MS = 15_000;

/** A file that holds more than a message can is named so. */
const REST_NAME = "message.txt";

/**
 * Creates the destination.
 *
 * Failure policy: a card that was noted is not sent again. Telegram has no idempotency: after a lost answer the card is
 * sent again, because one card too many is less harm than an alert that nobody sees. What Telegram cannot show (a text, a
 * topic) is sent plain, or to the chat itself. A chat that the bot may not write in answers as HTTP 403, which pauses the
 * destination. A file that does not go takes nothing from its card.
 */
export function createChatDestination(deps: ChatDestinationDeps): OwnDestination {
  return {
    kind: "telegram",
    async deliver(forwarded, world): Promise<Sent> {
      const { id, message, contact, card, config } = forwarded;
      if (card === undefined || !isChat(config)) {
        return { ok: false, kind: "retry", code: "incomplete", message: "the database said too little" };
      }
      if (card.is_sent) return { ok: true };
      if (!await deps.isOn()) {
        // No attempt: it waits, and goes once cards are on again.
        const message = "telegram_cards.enabled is off";
        return {
          ok: false,
          kind: "throttle",
          code: "disabled",
          message,
          retryAfterMs: OFF_MS,
          scope: "pair",
        };
      }
      const bot = deps.bot();
      if (typeof bot === "string") return { ok: false, kind: "retry", code: "not_ready", message: bot };
      const shown = cardOf(
        { channel: message.channel, type: message.type, text: message.text, native: message.native, contact },
        {
          token: card.token,
          version: 1,
          status: { state: "open" },
          ...(card.folded && { folded: card.folded }),
          ...(card.oncall && deps.namesOnCall() && { onCall: { ...card.oncall, outcome: "named" } }),
        },
      );
      const place = { chatId: config.chat_id, topicId: config.topic_id };
      const sent = await send(bot, place, shown, world, deps);
      if (!sent.ok) return sent;
      // At once: whoever does not come back from here has a card that is known.
      await deps.noteCard({ deliveryId: id, ...sent.place, messageIds: [sent.messageId] });
      deps.behindCard(message.channel);
      if (shown.rest !== undefined) {
        const file = await sendRest(bot, sent.place, sent.messageId, shown.rest, world, deps);
        if (file === undefined) deps.count("file_failed");
        else await deps.noteCard({ deliveryId: id, ...sent.place, messageIds: [file] });
      }
      return { ok: true };
    },
  };
}

interface Place {
  readonly chatId: number;
  readonly topicId: number | null;
}

type SentCard = { ok: true; messageId: number; place: Place } | Sent & { ok: false };

async function send(
  bot: Bot,
  place: Place,
  card: Card,
  world: SendDeps,
  deps: ChatDestinationDeps,
): Promise<SentCard> {
  let plain = false;
  // Each way out is taken once: another id, no topic, no format.
  for (let tries = 0; tries < 4; tries++) {
    const { text, entities } = card.message;
    const answer = await callBot(bot, "sendMessage", {
      chat_id: place.chatId,
      ...(place.topicId === null ? {} : { message_thread_id: place.topicId }),
      text,
      ...(plain ? {} : { entities }),
      link_preview_options: { is_disabled: true },
      reply_markup: { inline_keyboard: card.buttons },
    }, world.fetch);
    if (answer.ok) {
      const messageId = idOf(answer.result);
      if (messageId !== undefined) return { ok: true, messageId, place };
      return { ok: false, kind: "retry", code: "unreadable", message: "an answer without a message" };
    }
    if (answer.fault === "moved" && answer.movedTo !== undefined && answer.movedTo !== place.chatId) {
      await deps.moveChat(place.chatId, answer.movedTo);
      place = { ...place, chatId: answer.movedTo };
    } else if (answer.fault === "no_topic" && place.topicId !== null) {
      deps.count("topic_gone");
      place = { ...place, topicId: null };
    } else if (answer.fault === "unreadable_text" && !plain) {
      deps.count("format_refused");
      plain = true;
    } else {
      return failureOf(answer);
    }
  }
  return { ok: false, kind: "retry", code: "refused", message: "refused in every form" };
}

/** A refusal in the terms of sending. */
function failureOf(answer: BotAnswer & { ok: false }): Sent & { ok: false } {
  const { fault, status, message, retryAfterMs } = answer;
  switch (fault) {
    case "throttled":
      return { ok: false, kind: "throttle", code: fault, status, message, retryAfterMs, scope: "pair" };
    case "no_chat":
    case "no_topic":
      // The topic General is closed. Whatever status Telegram gave it: by 403 the destination is paused until somebody lets the bot in again.
      return { ok: false, kind: "retry", code: fault, status: 403, message };
    case "unanswered":
      return { ok: false, kind: "retry", code: "timeout", message };
    default:
      return { ok: false, kind: "retry", code: fault, ...(status === undefined ? {} : { status }), message };
  }
}

async function sendRest(
  bot: Bot,
  { chatId, topicId }: Place,
  card: number,
  text: string,
  world: SendDeps,
  { pauseChat }: ChatDestinationDeps,
): Promise<number | undefined> {
  const form = new FormData();
  form.set("chat_id", String(chatId));
  if (topicId !== null) form.set("message_thread_id", String(topicId));
  form.set("reply_parameters", JSON.stringify({ message_id: card, allow_sending_without_reply: true }));
  form.set("disable_notification", "true");
  form.set("document", new Blob([text], { type: "text/plain; charset=utf-8" }), REST_NAME);
  const answer = await chatCaller(world.fetch, pauseChat)(bot, "sendDocument", form);
  return answer.ok ? idOf(answer.result) : undefined;
}

function idOf(result: unknown): number | undefined {
  const id = (result as { message_id?: unknown } | null)?.message_id;
  return typeof id === "number" ? id : undefined;
}

function isChat(config: Forwarded["config"]): config is ChatConfig {
  return config !== null && "chat_id" in config;
}
