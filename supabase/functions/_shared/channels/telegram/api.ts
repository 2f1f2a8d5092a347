/**
 * Calls of Telegram's Bot API: `POST {TELEGRAM_URL}/bot<token>/<method>`.
 *
 * The token stands in the path: no error or line of ours holds the address of a call.
 * Source: https://core.telegram.org/bots/api, "Making requests", "ResponseParameters".
 *
 * @module
 */
import { readResponse } from "../../http/answers.ts";
import { withoutAnswer } from "../../http/failures.ts";
import { isObject, type JsonObject, text as textOf } from "../../json/json.ts";

/** A bot. */
export interface Bot {
  /** Base URL without a trailing slash. */
  readonly url: string;
  readonly token: string;
}

/** Why a call failed, as far as callers differ in what they do then. */
export type BotFault =
  /** Too many messages; `retryAfterMs` says how long nothing may go to the chat. */
  | "throttled"
  /** The group became a supergroup; `movedTo` is its id. */
  | "moved"
  /** The bot may not write there: blocked, removed, no such chat. */
  | "no_chat"
  /** The topic is closed or gone. */
  | "no_topic"
  /** The message already looks like that. */
  | "not_modified"
  /** The message is not there any more, or may not be edited. */
  | "no_message"
  /** Entities or text cannot be read. */
  | "unreadable_text"
  /** The token is wrong. */
  | "unauthorised"
  /** Any other refusal: the same call fails again. */
  | "refused"
  /** Telegram's problem. */
  | "unavailable"
  /** No answer: Telegram may have done it. */
  | "unanswered";

/** The outcome of a call. */
export type BotAnswer = { readonly ok: true; readonly result: unknown } | {
  readonly ok: false;
  readonly fault: BotFault;
  /** HTTP status; absent without an answer. */
  readonly status?: number;
  /** Telegram's words, without the token, or ours. */
  readonly message: string;
  readonly retryAfterMs?: number;
  readonly movedTo?: number;
};

/** Longest wait for an answer, in milliseconds; the lease of a delivery is longer. */
const TIMEOUT_MS = 10_000;
/** Wait after a 429 that names none. */
const DEFAULT_RETRY_MS = 5_000;

/** Descriptions of refusals with status 400. Wordings as they stand in public reports; there are no codes. */
const MEANINGS: readonly (readonly [RegExp, BotFault])[] = [
  [/not modified/i, "not_modified"],
  [/thread not found|TOPIC_(?:CLOSED|DELETED)/i, "no_topic"],
  [/chat not found|CHAT_WRITE_FORBIDDEN|not enough rights|have no rights|administrator rights/i, "no_chat"],
  [
    /message to (?:edit|delete|be replied|reply) not found|message can't be (?:edited|deleted)|MESSAGE_ID_INVALID/i,
    "no_message",
  ],
  [/can't parse|message is too long|entit/i, "unreadable_text"],
];

/** Calls a method. A body that is a form is sent as such: a file. Never throws. */
export async function callBot(
  { url, token }: Bot,
  method: string,
  body: JsonObject | FormData,
  fetch: (url: string, init: RequestInit) => Promise<Response>,
): Promise<BotAnswer> {
  let response: Response, answer: unknown;
  try {
    response = await fetch(`${url}/bot${token}/${method}`, {
      method: "POST",
      ...(body instanceof FormData
        ? { body }
        : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const { bytes } = await readResponse(response);
    answer = parsed(new TextDecoder().decode(bytes));
  } catch (error) {
    return withoutAnswer(error) === "not_connected"
      ? { ok: false, fault: "unavailable", message: "no connection" }
      : { ok: false, fault: "unanswered", message: `no whole answer within ${TIMEOUT_MS} ms` };
  }
  const { status } = response;
  if (!isObject(answer)) {
    return {
      ok: false,
      fault: "unavailable",
      status,
      message: `HTTP ${status} without an answer of Telegram's`,
    };
  }
  if (answer.ok === true) return { ok: true, result: answer.result };
  const parameters = isObject(answer.parameters) ? answer.parameters : {};
  const { retry_after: seconds, migrate_to_chat_id: movedTo } = parameters;
  const message = (textOf(answer.description) ?? `HTTP ${status}`).replaceAll(token, "…").slice(0, 500);
  if (typeof movedTo === "number") return { ok: false, fault: "moved", status, message, movedTo };
  if (status === 429) {
    const retryAfterMs = typeof seconds === "number" && seconds > 0 ? seconds * 1000 : DEFAULT_RETRY_MS;
    return { ok: false, fault: "throttled", status, message, retryAfterMs };
  }
  return { ok: false, fault: faultOf(status, message), status, message };
}

/** Calls a method about the chat that the body names. Never throws. */
export type CallChat = (bot: Bot, method: string, body: ChatBody) => Promise<BotAnswer>;

/** A form holds `chat_id` too. */
type ChatBody = (JsonObject & { readonly chat_id: number }) | FormData;

/**
 * Creates a {@linkcode CallChat}. Telegram's limits are the chat's: when it wants a wait, `pause` has everything wait that is
 * for the chat.
 * @param pause Called with the chat and milliseconds; must not reject.
 */
export function chatCaller(
  fetch: (url: string, init: RequestInit) => Promise<Response>,
  pause: (chatId: number, ms: number) => Promise<void>,
): CallChat {
  return async (bot, method, body) => {
    const answer = await callBot(bot, method, body, fetch);
    if (!answer.ok && answer.retryAfterMs !== undefined) {
      await pause(body instanceof FormData ? Number(body.get("chat_id")) : body.chat_id, answer.retryAfterMs);
    }
    return answer;
  };
}

/** Most bytes of a file that a bot may fetch. Source: Bot API, getFile. */
export const FILE_BYTES = 20_000_000;
const FILE_TIMEOUT_MS = 20_000;

/**
 * The bytes of a file that somebody sent. Its address holds the token: it is asked here and given to nobody.
 *
 * Failure policy: `final` if the file is too big or gone, `retry` for everything else. Never throws.
 */
export async function fetchFile(
  bot: Bot,
  fileId: string,
  fetch: (url: string, init: RequestInit) => Promise<Response>,
): Promise<{ ok: true; bytes: Uint8Array } | { ok: false; kind: "retry" | "final"; fault: string }> {
  const answer = await callBot(bot, "getFile", { file_id: fileId }, fetch);
  if (!answer.ok) {
    const kind = answer.fault === "refused" ? "final" : "retry";
    return { ok: false, kind, fault: answer.fault };
  }
  const path = isObject(answer.result) ? textOf(answer.result.file_path) : undefined;
  if (path === undefined || !/^[\w./-]{1,300}$/.test(path) || path.includes("..")) {
    return { ok: false, kind: "final", fault: "no_path" };
  }
  try {
    const response = await fetch(`${bot.url}/file/bot${bot.token}/${path}`, {
      redirect: "manual",
      signal: AbortSignal.timeout(FILE_TIMEOUT_MS),
    });
    if (!response.ok) {
      await response.body?.cancel();
      return {
        ok: false,
        kind: response.status === 404 ? "final" : "retry",
        fault: `http_${response.status}`,
      };
    }
    const bytes = await readWhole(response, FILE_BYTES);
    return bytes === undefined ? { ok: false, kind: "final", fault: "too_big" } : { ok: true, bytes };
  } catch {
    return { ok: false, kind: "retry", fault: "unanswered" };
  }
}

async function readWhole({ body }: Response, most: number): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of body ?? []) {
    size += part.length;
    if (size > most) return undefined;
    parts.push(part);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function faultOf(status: number, description: string): BotFault {
  if (status === 401 || status === 404) return "unauthorised";
  if (status === 403) return "no_chat";
  if (status >= 500) return "unavailable";
  return MEANINGS.find(([pattern]) => pattern.test(description))?.[1] ?? "refused";
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
