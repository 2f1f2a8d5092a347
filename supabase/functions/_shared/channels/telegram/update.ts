/**
 * Updates of the Bot API, as far as they mean something here. Pure.
 *
 * Source: https://core.telegram.org/bots/api, "Update". What is unknown is `other`: new kinds come several times a year.
 *
 * @module
 */
import { isObject, type JsonObject, text as textOf } from "../../json/json.ts";
import { type Action, pressOf } from "./card.ts";
import { answerPressOf, type Repliable, repliableIn, replyTo } from "./reply.ts";

/** A chat, as the SQL function `take_telegram_update` takes it. */
export interface UpdateChat {
  readonly id: number;
  readonly kind: string;
  /** Null for private chats. */
  readonly title: string | null;
  readonly is_forum: boolean;
  /** Only where the update says what the bot may do there. */
  readonly state?: "member" | "left";
}

/** An update, as the SQL function `take_telegram_update` takes it. */
export interface TelegramUpdate {
  readonly update_id: number;
  readonly kind: "chat" | "moved" | "start" | "press" | "reply" | "edited" | "reply_press" | "other";
  readonly chat?: UpdateChat;
  /** Telegram's id of the person. */
  readonly from?: number;
  /** Of a start: the person's first name. */
  readonly name?: string;
  /** Of a start: the link's token. */
  readonly token?: string;
  /** Of a press. */
  readonly card?: string;
  readonly action?: Action | "unsend" | "sendnow";
  readonly version?: number;
  /** Of a press: the message that the button belongs to. Of a reply, or an edit: the message that was written. */
  readonly message_id?: number;
  /** Of a press: whether the message is a bot's, and no person's. */
  readonly is_ours?: boolean;
  /** Of a move: the id of the supergroup. Of a reply: the message that it answers. */
  readonly to?: number;
  /** Of a reply: whether it was written as an anonymous admin or as a channel. */
  readonly nobody?: boolean;
  /** Of a reply: the topic that it was written in. */
  readonly topic?: number;
  /** Of a reply; absent where it has none. */
  readonly text?: string;
  readonly media_group?: string;
  readonly file?: Repliable["file"];
}

/** What an update says, and how the person who caused it is answered in the answer to the webhook. */
export interface ReadUpdate {
  readonly update: TelegramUpdate;
  /** The call that answers; undefined for what has no answer. */
  answer?(text: string | null, alert: boolean): JsonObject | undefined;
}

/** Who may never press: all anonymous admins, and all channels, have these ids in common. */
const NOBODY = new Set([1087968824, 136817688]);
const LINK_TOKEN = /^\/start(?:@\w{3,40})?\s+([0-9a-f]{64})$/;
const MEMBER = new Set(["creator", "administrator", "member"]);

/** Reads an update; undefined for a body that is none. */
export function readUpdate(body: unknown): ReadUpdate | undefined {
  if (!isObject(body)) return undefined;
  const id = numberIn(body, "update_id");
  if (id === undefined) return undefined;
  const base = { update_id: id };
  if (isObject(body.callback_query)) return readPress(base, body.callback_query);
  if (isObject(body.my_chat_member)) {
    const { new_chat_member: member } = body.my_chat_member;
    const chat = chatOf(body.my_chat_member.chat);
    if (chat === undefined || !isObject(member)) return { update: { ...base, kind: "other" } };
    const by = isObject(body.my_chat_member.from) ? numberIn(body.my_chat_member.from, "id") : undefined;
    return {
      update: {
        ...base,
        kind: "chat",
        chat: { ...chat, state: membershipOf(member) },
        ...(by === undefined ? {} : { from: by }),
      },
    };
  }
  if (isObject(body.message)) return readMessage(base, body.message);
  if (isObject(body.edited_message)) return readEdit(base, body.edited_message);
  return { update: { ...base, kind: "other" } };
}

function membershipOf(member: JsonObject): "member" | "left" {
  const status = textOf(member.status) ?? "";
  return MEMBER.has(status) || status === "restricted" && member.can_send_messages === true
    ? "member"
    : "left";
}

function readPress(base: { update_id: number }, query: JsonObject): ReadUpdate {
  const queryId = textOf(query.id);
  const answer = (text: string | null, alert: boolean): JsonObject => ({
    method: "answerCallbackQuery",
    callback_query_id: queryId,
    // Without a text the button merely stops turning.
    ...(text === null ? {} : { text: text.slice(0, 200), show_alert: alert }),
  });
  const from = isObject(query.from) ? numberIn(query.from, "id") : undefined;
  const press = pressOf(query.data), answerPress = answerPressOf(query.data);
  const message = isObject(query.message) ? query.message : undefined;
  const messageId = message && numberIn(message, "message_id");
  const chat = chatOf(message?.chat);
  if (
    from === undefined || NOBODY.has(from) || (press ?? answerPress) === undefined ||
    messageId === undefined || chat === undefined
  ) {
    return { update: { ...base, kind: "other" }, ...(queryId === undefined ? {} : { answer }) };
  }
  const { token, ...rest } = (press ?? answerPress)!;
  return {
    update: {
      ...base,
      kind: press === undefined ? "reply_press" : "press",
      from,
      card: token,
      ...rest,
      message_id: messageId,
      is_ours: isObject(message?.from) && message.from.is_bot === true,
      chat,
    },
    answer,
  };
}

function readMessage(base: { update_id: number }, message: JsonObject): ReadUpdate {
  const chat = chatOf(message.chat);
  if (chat === undefined) return { update: { ...base, kind: "other" } };
  const moved = numberIn(message, "migrate_to_chat_id");
  if (moved !== undefined) return { update: { ...base, kind: "moved", chat, to: moved } };
  const old = numberIn(message, "migrate_from_chat_id");
  if (old !== undefined) {
    return { update: { ...base, kind: "moved", chat: { ...chat, id: old }, to: chat.id } };
  }
  const from = isObject(message.from) ? message.from : undefined;
  const id = from && numberIn(from, "id");
  const token = LINK_TOKEN.exec(textOf(message.text) ?? "")?.[1];
  // Only in the private chat: in a group everybody could read the token first.
  if (chat.kind === "private" && id === chat.id && !NOBODY.has(id) && token !== undefined) {
    const name = textOf(from!.first_name);
    return {
      update: { ...base, kind: "start", chat, from: id, token, ...(name === undefined ? {} : { name }) },
      answer: (text) => ({ method: "sendMessage", chat_id: chat.id, text: text ?? "" }),
    };
  }
  const to = replyTo(message);
  if (to === undefined || id === undefined) return { update: { ...base, kind: "chat", chat } };
  const messageId = numberIn(message, "message_id");
  const nobody = NOBODY.has(id) || isObject(message.sender_chat);
  // Two bots that answer each other would never end, and Telegram itself forwards what channels post.
  if (messageId === undefined || !nobody && from?.is_bot === true || message.is_automatic_forward === true) {
    return { update: { ...base, kind: "chat", chat } };
  }
  const topic = message.is_topic_message === true ? numberIn(message, "message_thread_id") : undefined;
  return {
    update: {
      ...base,
      kind: "reply",
      chat,
      from: id,
      ...(nobody ? { nobody } : {}),
      message_id: messageId,
      to,
      ...(topic === undefined ? {} : { topic }),
      ...repliableIn(message),
    },
    answer: toldBelow(chat, messageId),
  };
}

/** What was written already was edited: it goes as it was. */
function readEdit(base: { update_id: number }, message: JsonObject): ReadUpdate {
  const chat = chatOf(message.chat), messageId = numberIn(message, "message_id");
  if (chat === undefined || messageId === undefined || replyTo(message) === undefined) {
    return { update: { ...base, kind: "other" } };
  }
  return {
    update: { ...base, kind: "edited", chat, message_id: messageId },
    answer: toldBelow(chat, messageId),
  };
}

/** A message below what somebody wrote; nothing where there is nothing to say. */
function toldBelow({ id }: UpdateChat, messageId: number): NonNullable<ReadUpdate["answer"]> {
  return (text) =>
    text === null ? undefined : {
      method: "sendMessage",
      chat_id: id,
      text,
      reply_parameters: { message_id: messageId, allow_sending_without_reply: true },
    };
}

function chatOf(value: unknown): UpdateChat | undefined {
  if (!isObject(value)) return undefined;
  const id = numberIn(value, "id"), kind = textOf(value.type);
  if (id === undefined || kind === undefined || !KINDS.has(kind)) return undefined;
  const title = kind === "private" ? undefined : textOf(value.title);
  return { id, kind, title: title?.toWellFormed() ?? null, is_forum: value.is_forum === true };
}

const KINDS = new Set(["private", "group", "supergroup", "channel"]);

function numberIn(value: JsonObject, name: string): number | undefined {
  const found = value[name];
  return Number.isSafeInteger(found) ? found as number : undefined;
}
