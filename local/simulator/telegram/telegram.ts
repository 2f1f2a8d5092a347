/**
 * A Telegram with one bot: its Bot API, the chats that people have with it, and the webhooks that it posts.
 *
 * | path | |
 * |---|---|
 * | `POST /simulator/telegram/bot{token}/{method}` | the Bot API: getMe, setWebhook, getWebhookInfo, sendMessage, sendDocument, editMessageText, editMessageReplyMarkup, editMessageMedia, deleteMessage, answerCallbackQuery, getFile |
 * | `GET /simulator/telegram/file/bot{token}/{path}` | a file that somebody sent, as getFile names it |
 * | `GET /simulator/telegram/chats` | chats with their messages |
 * | `GET /simulator/telegram/posts` | what was posted to the webhook |
 */
import { secondsOf, type TelegramPost, Webhooks } from "./webhooks.ts";
import { parseTelegramSettings, TELEGRAM_CALM, type TelegramSettings } from "./settings.ts";

type Json = Record<string, unknown>;

/** An account of Telegram's. */
export interface TelegramUser {
  readonly id: number;
  readonly first_name: string;
  readonly username?: string;
}

/** A chat as the simulator has it. */
export interface TelegramChat {
  id: number;
  type: "private" | "group" | "supergroup";
  title: string;
  is_forum: boolean;
  topics: { id: number; name: string; closed: boolean }[];
  /** Whether the bot may write there. */
  hasBot: boolean;
  /** The supergroup that it became. */
  movedTo: number | null;
  messages: TelegramMessage[];
}

/** A message in a chat. */
export interface TelegramMessage {
  readonly message_id: number;
  readonly from: TelegramUser & { readonly is_bot: boolean };
  readonly at: string;
  readonly topic: number | null;
  readonly replyTo: number | null;
  text: string;
  entities: readonly Json[];
  buttons: readonly (readonly { readonly text: string; readonly callback_data: string }[])[];
  /** A file that was sent with it. */
  readonly file:
    | { readonly name: string; readonly size: number; readonly text: string; readonly id?: string }
    | null;
  /** The album that it is a part of. */
  readonly group?: string;
  edits: number;
}

/** What happened, for pages. */
export type TelegramChange =
  | { type: "chat"; chat: TelegramChat }
  | { type: "post"; post: TelegramPost }
  | { type: "toast"; text: string; alert: boolean }
  | { type: "settings"; settings: TelegramSettings };

/** Options of a {@linkcode TelegramSimulator}. */
export interface TelegramOptions {
  readonly token: string;
  /** Posts to the webhook. @default {fetch} */
  fetch?: typeof fetch;
  /** Milliseconds since 1970. @default {Date.now} */
  now?(): number;
  /** First wait before a webhook is posted again, in milliseconds. @default {1000} */
  retryMs?: number;
}

const BOT: TelegramUser = { id: 7000000001, first_name: "Gatelink", username: "gatelink_local_bot" };
/** Who presses and writes. */
export const TELEGRAM_PEOPLE: readonly TelegramUser[] = [
  { id: 5100000001, first_name: "Ana", username: "ana_k" },
  { id: 5100000002, first_name: "Ben" },
];
const FIRST_GROUP = -1002000000001;
const TEXT_UNITS = 4096;
/** Most bytes of a file that a bot may fetch. */
const FILE_BYTES = 20_000_000;
const KEEP_POSTS = 500;
const GROUP_A_MINUTE = 20;
const MINUTE_MS = 60_000;
/** Messages of a bot to all of its chats. */
const BOT_A_SECOND = 30;
/** How long a bot that is no admin may delete its messages. */
const DELETABLE_MS = 48 * 3_600_000;

/** The simulated Telegram. */
export class TelegramSimulator {
  readonly #options: TelegramOptions;
  readonly #listeners = new Set<(change: TelegramChange) => void>();
  readonly #webhooks: Webhooks;
  readonly #sentAt = new Map<number, number[]>();
  /** Messages of the last second, to all chats. */
  #sentLately: number[] = [];
  readonly #toasts = new Map<string, { text: string; alert: boolean }>();
  #settings: TelegramSettings = TELEGRAM_CALM;
  #nextMessage = 4000;
  #nextUpdate = 700_000_001;
  #nextQuery = 1;
  /** Files that people sent, by the id that getFile takes. */
  readonly #files = new Map<string, { readonly type: string; readonly bytes: Uint8Array<ArrayBuffer> }>();
  /** Chats by id. */
  readonly chats = new Map<number, TelegramChat>();
  /** What was posted to the webhook, oldest first. */
  readonly posts: TelegramPost[] = [];
  /** Calls of the Bot API: methods in their order. */
  readonly calls: { method: string; body: Json; ok: boolean }[] = [];

  constructor(options: TelegramOptions) {
    this.#options = options;
    this.#webhooks = new Webhooks({
      fetch: options.fetch ?? fetch,
      retryMs: options.retryMs ?? 1000,
      onPost: (post) => {
        this.posts.push(post);
        if (this.posts.length > KEEP_POSTS) this.posts.shift();
        this.#tell({ type: "post", post });
      },
      onAnswer: (post, body) => {
        this.#tell({ type: "post", post });
        if (body !== undefined) this.#answered(body);
      },
      now: () => this.#now(),
    });
    this.#newcomers();
  }

  get settings(): TelegramSettings {
    return this.#settings;
  }

  /** What people were told after presses, newest last. */
  get toasts(): readonly { text: string; alert: boolean }[] {
    return [...this.#toasts.values()];
  }

  configure(change: Partial<TelegramSettings>): TelegramSettings {
    this.#settings = parseTelegramSettings({ ...this.#settings, ...change });
    this.#tell({ type: "settings", settings: this.#settings });
    return this.#settings;
  }

  /** Calls with each change until the returned function is called. */
  listen(tell: (change: TelegramChange) => void): () => void {
    this.#listeners.add(tell);
    return () => this.#listeners.delete(tell);
  }

  /** Begins anew. The webhook stays set. */
  reset(): void {
    this.chats.clear();
    this.posts.length = this.calls.length = 0;
    this.#sentAt.clear();
    this.#sentLately = [];
    this.#toasts.clear();
    this.#files.clear();
    this.#settings = TELEGRAM_CALM;
    this.#newcomers();
  }

  /** Sets the webhook, as setWebhook does. */
  setWebhook(url: string, secret: string): void {
    this.#webhooks.set(url, secret, ["message", "edited_message", "callback_query", "my_chat_member"]);
  }

  stop(): void {
    this.#webhooks.stop();
  }

  /** Waits until each webhook that is under way has been answered. */
  settled(): Promise<void> {
    return this.#webhooks.settled();
  }

  #newcomers(): void {
    this.#chat({ id: FIRST_GROUP, type: "supergroup", title: "Operations", is_forum: false });
    for (const { id, first_name } of TELEGRAM_PEOPLE) {
      this.#chat({ id, type: "private", title: first_name, is_forum: false });
    }
  }

  #chat(chat: Pick<TelegramChat, "id" | "type" | "title" | "is_forum">): TelegramChat {
    const whole: TelegramChat = {
      ...chat,
      topics: [],
      hasBot: chat.type === "private",
      movedTo: null,
      messages: [],
    };
    this.chats.set(chat.id, whole);
    return whole;
  }

  // What people do ------------------------------------------------------------------------------

  /** A group is made, without the bot. */
  addGroup(title: string, kind: "group" | "supergroup" | "forum"): TelegramChat {
    if (title.trim() === "" || title.length > 128) throw new RangeError("title: 1 to 128 characters");
    const ids = [...this.chats.keys()].filter((id) => id < 0);
    const id = kind === "group"
      ? Math.max(-4000000, ...ids.filter((id) => id > -1e12)) - 1
      : Math.min(...ids, -1002000000000) - 1;
    const chat = this.#chat({
      id,
      type: kind === "group" ? "group" : "supergroup",
      title,
      is_forum: kind === "forum",
    });
    if (kind === "forum") {
      chat.topics.push({ id: 2, name: "Alerts", closed: false }, { id: 3, name: "Questions", closed: false });
    }
    this.#changed(chat);
    return chat;
  }

  /** The bot is added to a chat, or removed (a person: blocks it). */
  setMember(chatId: number, member: boolean, by = TELEGRAM_PEOPLE[0]): void {
    const chat = this.#get(chatId);
    const status = (has: boolean) => ({
      user: { ...BOT, is_bot: true },
      status: has ? "member" : chat.type === "private" ? "kicked" : "left",
    });
    const before = status(chat.hasBot);
    chat.hasBot = member;
    this.#changed(chat);
    this.#update("my_chat_member", {
      chat: face(chat),
      from: { ...by, is_bot: false },
      date: secondsOf(this.#now()),
      old_chat_member: before,
      new_chat_member: status(member),
    }, `bot ${member ? "added to" : "removed from"} ${chat.title}`);
  }

  /** A group becomes a supergroup; its id changes. */
  upgrade(chatId: number): TelegramChat {
    const chat = this.#get(chatId);
    if (chat.type !== "group") throw new RangeError(`${chat.title} is no group`);
    const next = this.addGroup(chat.title, "supergroup");
    next.hasBot = chat.hasBot;
    chat.movedTo = next.id;
    this.#changed(chat);
    const service = (chat: TelegramChat, rest: Json) => ({
      message_id: this.#nextMessage++,
      from: { ...TELEGRAM_PEOPLE[0], is_bot: false },
      chat: face(chat),
      date: secondsOf(this.#now()),
      ...rest,
    });
    this.#update(
      "message",
      service(chat, { migrate_to_chat_id: next.id }),
      `${chat.title} became a supergroup`,
    );
    this.#update(
      "message",
      service(next, { migrate_from_chat_id: chat.id }),
      `${chat.title} became a supergroup`,
    );
    return next;
  }

  /** A topic of a forum is closed or opened. */
  setTopic(chatId: number, topic: number, closed: boolean): void {
    const chat = this.#get(chatId);
    const found = chat.topics.find(({ id }) => id === topic);
    if (found === undefined) throw new RangeError(`${chat.title} has no topic ${topic}`);
    found.closed = closed;
    this.#changed(chat);
  }

  /** Somebody writes, or sends a file with a caption. What the bot does not see in a group is not posted (privacy mode). */
  say(
    chatId: number,
    text: string,
    { from = TELEGRAM_PEOPLE[0], replyTo = null, topic = null, file, group }: {
      from?: TelegramUser;
      replyTo?: number | null;
      topic?: number | null;
      file?: { name: string; type: string; bytes: Uint8Array<ArrayBuffer> };
      /** Id of the album that it is a part of. */
      group?: string;
    } = {},
  ): TelegramMessage {
    const chat = this.#get(chatId);
    if (text === "" && file === undefined || text.length > TEXT_UNITS) {
      throw new RangeError("text: 1 to 4096 characters");
    }
    const id = file && `BQAC${this.#nextMessage}`;
    if (file !== undefined) this.#files.set(id!, { type: file.type, bytes: file.bytes });
    const message = this.#put(chat, {
      from: { ...from, is_bot: false },
      text,
      replyTo,
      topic,
      ...(group === undefined ? {} : { group }),
      file: file === undefined ? null : { name: file.name, size: file.bytes.length, text: "", id },
    });
    this.#post(chat, "message", message);
    return message;
  }

  /** Somebody edits what was written. */
  edit(chatId: number, messageId: number, text: string): void {
    const chat = this.#get(chatId);
    const message = chat.messages.find(({ message_id }) => message_id === messageId);
    if (message === undefined || message.from.is_bot) {
      throw new RangeError(`there is no message ${messageId}`);
    }
    message.text = text;
    message.edits++;
    this.#changed(chat);
    this.#post(chat, "edited_message", message);
  }

  #post(chat: TelegramChat, kind: "message" | "edited_message", message: TelegramMessage): void {
    const replied = chat.messages.find(({ message_id }) => message_id === message.replyTo);
    if (chat.type !== "private" && !message.text.startsWith("/") && replied?.from.is_bot !== true) return;
    this.#update(kind, {
      ...this.#withFile(wire(chat, message), message),
      ...(replied === undefined ? {} : { reply_to_message: wire(chat, replied) }),
    }, `${message.from.first_name}: ${message.text.slice(0, 40) || message.file?.name}`);
  }

  #withFile({ text, ...message }: Json, { file, group }: TelegramMessage): Json {
    if (file?.id === undefined) return { ...message, ...(text === undefined ? {} : { text }) };
    return {
      ...message,
      ...(text === undefined ? {} : { caption: text }),
      ...(group === undefined ? {} : { media_group_id: group }),
      document: {
        file_id: file.id,
        file_unique_id: `AgAD${file.id}`,
        file_name: file.name,
        mime_type: this.#files.get(file.id)?.type,
        file_size: file.size,
      },
    };
  }

  /** Somebody presses a button, by its data. */
  press(chatId: number, messageId: number, data: string, from: TelegramUser = TELEGRAM_PEOPLE[0]): string {
    const chat = this.#get(chatId);
    const message = chat.messages.find(({ message_id }) => message_id === messageId);
    if (message === undefined) throw new RangeError(`there is no message ${messageId}`);
    const id = String(4382_000_000 + this.#nextQuery++);
    this.#update("callback_query", {
      id,
      from: { ...from, is_bot: false },
      message: wire(chat, message),
      chat_instance: String(chatId),
      data,
    }, `${from.first_name} presses ${data.split(":")[0]}`);
    return id;
  }

  /** Posts any update, with the next id; the same id again if `id` is given. */
  post(update: Json, id?: number): number {
    const update_id = id ?? this.#nextUpdate++;
    this.#webhooks.post({ update_id, ...update }, `update ${Object.keys(update)[0] ?? ""}`);
    return update_id;
  }

  #update(kind: string, content: Json, what: string): void {
    const lost = this.#settings.copies;
    const body = { update_id: this.#nextUpdate++, [kind]: content };
    for (let copy = 0; copy <= lost; copy++) this.#webhooks.post(body, what);
  }

  /** An answer to a webhook may call one method. */
  #answered(body: Json): void {
    const { method, ...rest } = body;
    if (typeof method !== "string") return;
    this.#call(method, rest);
  }

  // The Bot API -----------------------------------------------------------------------------------

  /** Answers below `/simulator/telegram/`. */
  async fetch(request: Request): Promise<Response> {
    const path = new URL(request.url).pathname.split("/simulator/telegram/")[1] ?? "";
    if (request.method === "GET" && path === "chats") return Response.json([...this.chats.values()]);
    if (request.method === "GET" && path === "posts") return Response.json(this.posts);
    const fetched = /^file\/bot([^/]+)\/documents\/(\w+)$/.exec(path);
    if (request.method === "GET" && fetched !== null) {
      const file = this.#files.get(fetched[2]);
      return file === undefined || decodeURIComponent(fetched[1]) !== this.#options.token
        ? new Response("Not Found", { status: 404 })
        : new Response(file.bytes, { headers: { "content-type": "application/octet-stream" } });
    }
    const called = /^bot([^/]+)\/(\w+)$/.exec(path);
    if (called === null) {
      return Response.json({ ok: false, error_code: 404, description: "Not Found" }, { status: 404 });
    }
    const [, token, method] = called;
    if (decodeURIComponent(token) !== this.#options.token) return refusal(401, "Unauthorized");
    const body = await bodyOf(request);
    const { fault, times } = this.#settings;
    const isSending = /^(?:send|edit)/.test(method);
    if (isSending && fault !== "none") {
      if (times !== null) this.configure(times > 1 ? { times: times - 1 } : { fault: "none", times: null });
      if (fault === "lost") {
        // Telegram has it; a gateway in between gives up.
        this.#call(method, body);
        return new Response("<html>504</html>", { status: 504 });
      }
      this.calls.push({ method, body, ok: false });
      switch (fault) {
        case "429":
          return refusal(429, "Too Many Requests: retry after 20", { retry_after: 20 });
        case "500":
          return new Response("<html>Bad Gateway</html>", { status: 502 });
        case "parse":
          if ("entities" in body) return refusal(400, "Bad Request: can't parse entities");
          break;
        case "hang":
          await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
          return refusal(500, "gone");
      }
    }
    return this.#call(method, body);
  }

  #call(method: string, body: Json): Response {
    const answer = this.#answer(method, body);
    this.calls.push({ method, body, ok: answer.ok });
    return answer;
  }

  #answer(method: string, body: Json): Response {
    switch (method) {
      case "getMe":
        return result({ ...BOT, is_bot: true, can_join_groups: true, can_read_all_group_messages: false });
      case "setWebhook":
        this.#webhooks.set(String(body.url ?? ""), String(body.secret_token ?? ""), body.allowed_updates);
        return result(true, "Webhook was set");
      case "getWebhookInfo":
        return result(this.#webhooks.info());
      case "answerCallbackQuery":
        if (body.text !== undefined) {
          const toast = { text: String(body.text), alert: body.show_alert === true };
          this.#toasts.set(String(body.callback_query_id), toast);
          this.#tell({ type: "toast", ...toast });
        }
        return result(true);
      case "sendMessage":
      case "sendDocument":
        return this.#send(body);
      case "getFile": {
        const file = this.#files.get(String(body.file_id));
        if (file === undefined) {
          return refusal(400, "Bad Request: wrong file_id or the file is temporarily unavailable");
        }
        if (file.bytes.length > FILE_BYTES) return refusal(400, "Bad Request: file is too big");
        return result({
          file_id: body.file_id,
          file_size: file.bytes.length,
          file_path: `documents/${body.file_id}`,
        });
      }
      case "deleteMessage":
        return this.#delete(body);
      case "editMessageMedia":
        return this.#replace(body);
      case "editMessageText":
      case "editMessageReplyMarkup":
        return this.#edit(method, body);
      default:
        return refusal(404, "Not Found: method not found");
    }
  }

  #send(body: Json): Response {
    const chat = this.chats.get(Number(body.chat_id));
    if (chat === undefined) return refusal(400, "Bad Request: chat not found");
    if (chat.movedTo !== null) {
      return refusal(400, "Bad Request: group chat was upgraded to a supergroup chat", {
        migrate_to_chat_id: chat.movedTo,
      });
    }
    if (!chat.hasBot) {
      return refusal(
        403,
        chat.type === "private"
          ? "Forbidden: bot was blocked by the user"
          : "Forbidden: bot was kicked from the supergroup chat",
      );
    }
    const topic = body.message_thread_id === undefined ? null : Number(body.message_thread_id);
    if (topic !== null) {
      const found = chat.topics.find(({ id }) => id === topic);
      if (found === undefined) return refusal(400, "Bad Request: message thread not found");
      if (found.closed) return refusal(400, "Bad Request: TOPIC_CLOSED");
    }
    const wait = this.#pace(chat);
    if (wait > 0) return refusal(429, `Too Many Requests: retry after ${wait}`, { retry_after: wait });
    const file = body.document instanceof File ? body.document : undefined;
    const text = String(body.text ?? "");
    if (file === undefined && text.trim() === "") return refusal(400, "Bad Request: message text is empty");
    if (text.length > TEXT_UNITS) return refusal(400, "Bad Request: message is too long");
    const markup = json(body.reply_markup) as { inline_keyboard?: TelegramMessage["buttons"] } | undefined;
    const buttons = markup?.inline_keyboard ?? [];
    const wrong = buttons.flat().find(({ callback_data }) => {
      const bytes = new TextEncoder().encode(callback_data ?? "").length;
      return bytes < 1 || bytes > 64;
    });
    if (wrong !== undefined) return refusal(400, "Bad Request: BUTTON_DATA_INVALID");
    const reply = json(body.reply_parameters) as { message_id?: number } | undefined;
    const message = this.#put(chat, {
      from: { ...BOT, is_bot: true },
      text,
      topic,
      replyTo: reply?.message_id ?? null,
      entities: (json(body.entities) as Json[] | undefined) ?? [],
      buttons,
      file: file === undefined ? null : { name: file.name, size: file.size, text: "" },
    });
    if (file !== undefined) {
      file.text().then((text) => {
        Object.assign(message.file!, { text });
        this.#changed(chat);
      });
    }
    return result(wire(chat, message));
  }

  #edit(method: string, body: Json): Response {
    const chat = this.chats.get(Number(body.chat_id));
    const message = chat?.messages.find(({ message_id }) => message_id === Number(body.message_id));
    if (chat === undefined || message === undefined || !message.from.is_bot) {
      return refusal(400, "Bad Request: message to edit not found");
    }
    if (method === "editMessageText" && message.file !== null) {
      return refusal(400, "Bad Request: there is no text in the message to edit");
    }
    const markup = json(body.reply_markup) as { inline_keyboard?: TelegramMessage["buttons"] } | undefined;
    const next = {
      buttons: markup?.inline_keyboard ?? [],
      ...(method === "editMessageText"
        ? { text: String(body.text ?? ""), entities: (json(body.entities) as Json[] | undefined) ?? [] }
        : {}),
    };
    const { text, entities, buttons } = message;
    if (JSON.stringify({ text, entities, buttons }) === JSON.stringify({ text, entities, ...next })) {
      return refusal(400, "Bad Request: message is not modified");
    }
    Object.assign(message, next);
    message.edits++;
    this.#changed(chat);
    return result(wire(chat, message));
  }

  /** Another file in place of one. */
  #replace(body: Json): Response {
    const chat = this.chats.get(Number(body.chat_id));
    const message = chat?.messages.find(({ message_id }) => message_id === Number(body.message_id));
    const media = json(body.media) as { media?: string } | undefined;
    const file = body[String(media?.media ?? "").replace("attach://", "")];
    if (chat === undefined || message?.file == null || !(file instanceof File)) {
      return refusal(400, "Bad Request: message to edit not found");
    }
    Object.assign(message.file, { name: file.name, size: file.size, text: "" });
    message.edits++;
    this.#changed(chat);
    return result(wire(chat, message));
  }

  #delete(body: Json): Response {
    const chat = this.chats.get(Number(body.chat_id));
    const at = chat?.messages.findIndex(({ message_id }) => message_id === Number(body.message_id)) ?? -1;
    if (chat === undefined || at < 0) return refusal(400, "Bad Request: message to delete not found");
    if (Date.parse(chat.messages[at].at) < this.#now() - DELETABLE_MS) {
      return refusal(400, "Bad Request: message can't be deleted for everyone");
    }
    chat.messages.splice(at, 1);
    this.#changed(chat);
    return result(true);
  }

  /** Seconds to wait, in a group with more than Telegram's known limit, or of a bot with more than its own; 0 to go on. */
  #pace(chat: TelegramChat): number {
    if (!this.#settings.paced) return 0;
    const now = this.#now();
    this.#sentLately = this.#sentLately.filter((at) => at > now - 1000);
    if (this.#sentLately.length >= BOT_A_SECOND) return 1;
    this.#sentLately.push(now);
    if (chat.type === "private") return 0;
    const sent = (this.#sentAt.get(chat.id) ?? []).filter((at) => at > now - MINUTE_MS);
    if (sent.length >= GROUP_A_MINUTE) return Math.max(1, Math.ceil((sent[0] + MINUTE_MS - now) / 1000));
    sent.push(now);
    this.#sentAt.set(chat.id, sent);
    return 0;
  }

  #put(
    chat: TelegramChat,
    message: Partial<TelegramMessage> & Pick<TelegramMessage, "from" | "text">,
  ): TelegramMessage {
    const whole: TelegramMessage = {
      topic: null,
      replyTo: null,
      entities: [],
      buttons: [],
      file: null,
      ...message,
      message_id: this.#nextMessage++,
      at: new Date(this.#now()).toISOString(),
      edits: 0,
    };
    chat.messages.push(whole);
    this.#changed(chat);
    return whole;
  }

  #get(id: number): TelegramChat {
    const chat = this.chats.get(id);
    if (chat === undefined) throw new RangeError(`there is no chat ${id}`);
    return chat;
  }

  #now(): number {
    return this.#options.now?.() ?? Date.now();
  }

  #changed(chat: TelegramChat): void {
    this.#tell({ type: "chat", chat });
  }

  #tell(change: TelegramChange): void {
    for (const tell of this.#listeners) tell(change);
  }
}

function face({ id, type, title, is_forum }: TelegramChat): Json {
  return type === "private"
    ? { id, type, first_name: title }
    : { id, type, title, ...(is_forum ? { is_forum } : {}) };
}

/** A message as the Bot API has it. */
function wire(chat: TelegramChat, message: TelegramMessage): Json {
  return {
    message_id: message.message_id,
    from: message.from,
    chat: face(chat),
    date: secondsOf(Date.parse(message.at)),
    ...(message.topic === null ? {} : { message_thread_id: message.topic, is_topic_message: true }),
    ...(message.text === "" ? {} : { text: message.text }),
    ...(message.entities.length === 0 ? {} : { entities: message.entities }),
  };
}

function result(value: unknown, description?: string): Response {
  return Response.json({ ok: true, result: value, ...(description === undefined ? {} : { description }) });
}

function refusal(code: number, description: string, parameters?: Json): Response {
  return Response.json(
    { ok: false, error_code: code, description, ...(parameters === undefined ? {} : { parameters }) },
    { status: code },
  );
}

async function bodyOf(request: Request): Promise<Json> {
  if (request.headers.get("content-type")?.startsWith("multipart/form-data")) {
    return Object.fromEntries(await request.formData());
  }
  const text = await request.text();
  return text === "" ? {} : JSON.parse(text);
}

/** A member that is an object, or its JSON in a form. */
function json(value: unknown): unknown {
  return typeof value === "string" ? JSON.parse(value) : value;
}
