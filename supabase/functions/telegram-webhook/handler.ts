/**
 * The function that Telegram reports to.
 *
 * | address | who | answers |
 * |---|---|---|
 * | `POST /` | Telegram, with the secret of setWebhook in its header | 200 once what it says is committed; the answer to a press |
 * | `POST /edit` | the clock and the pipeline, with a secret key | 202; analyses mails that have a card, and brings cards up to date |
 * | `POST /replies` | the clock, with a secret key | 202; answers from chats leave, and their notes are written |
 * | `GET /setup` | the team, with a secret key | the bot, and what Telegram says of its webhook |
 * | `POST /setup` | the same | sets the webhook to this function |
 *
 * @module
 */
import { type Bot, callBot } from "../_shared/channels/telegram/api.ts";
import { readUpdate } from "../_shared/channels/telegram/update.ts";
import type { TelegramSetup } from "../_shared/contract/http/telegram.ts";
import type { Rpc } from "../_shared/db/client.ts";
import { timingSafeEqual } from "../_shared/crypto/timing_safe_equal.ts";
import { readBody } from "../_shared/http/body.ts";
import { Problem } from "../_shared/http/problem.ts";
import { type Call, createRouter, type Route } from "../_shared/http/routes.ts";
import { decode, isObject, text as textOf } from "../_shared/json/json.ts";
import type { Context, Handler } from "../_shared/serve/serve.ts";

/** The routes of the function. */
export const ROUTES = [
  { method: "POST", path: "/", auth: "none", handler: "update" },
  { method: "POST", path: "/edit", auth: "secret", handler: "edit" },
  { method: "POST", path: "/replies", auth: "secret", handler: "replies" },
  { method: "GET", path: "/setup", auth: "secret", handler: "setup" },
  { method: "POST", path: "/setup", auth: "secret", handler: "connect" },
] as const satisfies readonly Route[];

type Name = (typeof ROUTES)[number]["handler"];

/** Dependencies of the handler. */
export interface TelegramWebhookDeps {
  killed(feature: string): boolean;
  requireSecretKey(headers: Headers): { name: string };
  rpc: Rpc;
  /** The secrets of setWebhook, the newest first. */
  secrets(): readonly string[];
  bot(): Bot | string;
  /** Address of this function as Telegram is to call it. */
  webhookUrl(): string;
  fetch(url: string, init: RequestInit): Promise<Response>;
  editCards(): Promise<void>;
  /** Analyses mails whose cards were sent. */
  analyse(): Promise<void>;
  workOnReplies(): Promise<void>;
  /** Counts an update by kind. */
  count(kind: string): void;
  waitUntil(work: Promise<unknown>): void;
}

/** Kill switch of the intake: `TELEGRAM_WEBHOOK_ENABLED`. Telegram repeats for about a day what is refused meanwhile. */
const FEATURE = "telegram_webhook";
/** Kill switch of answers: `EMAIL_REPLIES`. */
const REPLIES = "email_replies.enabled";
const SECRET_HEADER = "x-telegram-bot-api-secret-token";
const BODY_BYTES = 512 * 1024;
/** What Telegram is asked to report: no more than what means something here. */
export const ALLOWED_UPDATES = ["message", "edited_message", "callback_query", "my_chat_member"] as const;

/** The handler of `telegram-webhook`. */
export function createHandler(deps: TelegramWebhookDeps): Handler {
  return createRouter<Name, Context>("telegram-webhook", ROUTES, {
    killed: () => deps.killed(FEATURE),
    gates: { secret: (headers) => deps.requireSecretKey(headers).name },
    handlers: { update, edit, replies, setup, connect },
  });

  /**
   * Gates, in this order: kill switch, secret, size. The secret is the only proof that Telegram gives.
   *
   * Failure policy: what is answered with 200 is committed. A body that cannot be read is answered with 200 as well,
   * because Telegram would hold back everything behind it for a day; it is counted.
   */
  async function update({ request }: Call<Context>): Promise<Response> {
    if (deps.killed(FEATURE)) throw new Problem("disabled_by_environment");
    const given = request.headers.get(SECRET_HEADER);
    if (given === null) throw new Problem("signature_missing");
    // Each is compared, so that the time does not tell which.
    const matches = deps.secrets().filter((secret) => timingSafeEqual(secret, given));
    if (matches.length === 0) throw new Problem("signature_invalid");
    const read = readUpdate(parsed(await readBody(request, BODY_BYTES)));
    if (read === undefined) {
      deps.count("unreadable");
      return Response.json({ stored: false });
    }
    const off = read.update.kind === "reply" && deps.killed(REPLIES);
    const taken = await deps.rpc("take_telegram_update", {
      p_update: { ...read.update, ...(off ? { off } : {}) },
    });
    deps.count(taken.is_new ? read.update.kind : "repeated");
    if (taken.edits) deps.waitUntil(deps.editCards());
    if (taken.replies) deps.waitUntil(deps.workOnReplies());
    // A press without an answer would turn for ever, also one that came twice.
    return Response.json(read.answer?.(taken.answer, taken.alert) ?? { stored: taken.is_new });
  }

  function edit(): Response {
    // Whoever pressed does not wait for what is found out about others.
    deps.waitUntil(Promise.all([deps.editCards(), deps.analyse().then(() => deps.editCards())]));
    return Response.json({ status: "editing" }, { status: 202 });
  }

  function replies(): Response {
    deps.waitUntil(deps.workOnReplies());
    return Response.json({ status: "answering" }, { status: 202 });
  }

  async function setup(): Promise<Response> {
    const bot = deps.bot();
    if (typeof bot === "string") {
      return Response.json(
        { bot: null, webhook: null, url: deps.webhookUrl(), fault: bot } satisfies TelegramSetup,
      );
    }
    const [me, info] = await Promise.all(
      ["getMe", "getWebhookInfo"].map((method) => callBot(bot, method, {}, deps.fetch)),
    );
    const fault = [me, info].find((answer) => !answer.ok);
    const found = info.ok && isObject(info.result) ? info.result : undefined;
    const result: TelegramSetup = {
      bot: me.ok && isObject(me.result)
        ? {
          username: textOf(me.result.username) ?? "",
          reads_all: me.result.can_read_all_group_messages === true,
        }
        : null,
      webhook: found === undefined ? null : {
        url: textOf(found.url) ?? "",
        pending: Number(found.pending_update_count ?? 0),
        last_error: textOf(found.last_error_message) ?? null,
        last_error_at: typeof found.last_error_date === "number"
          ? new Date(found.last_error_date * 1000).toISOString()
          : null,
        allowed_updates: Array.isArray(found.allowed_updates)
          ? found.allowed_updates.filter((each) => typeof each === "string")
          : [],
      },
      url: deps.webhookUrl(),
      fault: fault === undefined || fault.ok ? null : fault.message,
    };
    return Response.json(result);
  }

  async function connect(): Promise<Response> {
    const bot = deps.bot();
    if (typeof bot === "string") throw new Problem("config_invalid", { detail: bot });
    const answer = await callBot(bot, "setWebhook", {
      url: deps.webhookUrl(),
      secret_token: deps.secrets()[0],
      allowed_updates: [...ALLOWED_UPDATES],
      drop_pending_updates: false,
    }, deps.fetch);
    if (!answer.ok) throw new Problem("provider_refused", { detail: `Telegram says: ${answer.message}` });
    return await setup();
  }
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return decode(bytes);
  } catch {
    return undefined;
  }
}
