/** What `gatelink telegram doctor` finds. Pure. */
import type { TelegramChat } from "../../../supabase/functions/_shared/contract/answers/telegram.ts";
import type { TelegramSetup } from "../../../supabase/functions/_shared/contract/http/telegram.ts";

/** What was found. */
export interface TelegramFinding {
  level: "ok" | "warning" | "problem";
  about: string;
  what: string;
  advice?: string;
}

export const LEVEL_COLOURS = { ok: "green", warning: "yellow", problem: "red" } as const;

/** What Telegram must report. */
const NEEDED = ["message", "edited_message", "callback_query", "my_chat_member"];
/** Updates that wait at Telegram are normal for moments. */
const MANY_PENDING = 20;

/** What there is to say. */
export function findingsOf(setup: TelegramSetup, chats: readonly TelegramChat[]): TelegramFinding[] {
  const findings: TelegramFinding[] = [];
  const add = (level: TelegramFinding["level"], about: string, what: string, advice?: string) =>
    findings.push({ level, about, what, ...(advice === undefined ? {} : { advice }) });
  const { bot, webhook, url, fault } = setup;
  if (bot === null) {
    add(
      "problem",
      "bot",
      fault ?? "Telegram does not know it",
      "Set TELEGRAM_BOT_TOKEN for the functions; docs/telegram.md.",
    );
    return findings;
  }
  add("ok", "bot", `@${bot.username}`);
  if (bot.reads_all) {
    add(
      "warning",
      "bot",
      "it reads everything in groups",
      "Switch privacy mode on at @BotFather: /setprivacy.",
    );
  }
  if (webhook === null) add("problem", "webhook", fault ?? "Telegram does not say");
  else if (webhook.url !== url) {
    add(
      "problem",
      "webhook",
      webhook.url === "" ? "is not set" : `leads to ${webhook.url}`,
      "gatelink telegram connect",
    );
  } else {
    const missing = NEEDED.filter((kind) => !webhook.allowed_updates.includes(kind));
    if (missing.length > 0) {
      add("problem", "webhook", `does not report ${missing.join(", ")}`, "gatelink telegram connect");
    } else add("ok", "webhook", url);
    if (webhook.pending > MANY_PENDING) {
      add(
        "problem",
        "webhook",
        `${webhook.pending} updates wait${webhook.last_error === null ? "" : `: ${webhook.last_error}`}`,
        "Telegram keeps them for a day. Look at the logs of telegram-webhook.",
      );
    } else if (webhook.last_error !== null) {
      add("warning", "webhook", `last error at ${webhook.last_error_at}: ${webhook.last_error}`);
    }
  }
  const used = chats.filter(({ destinations }) => destinations.length > 0);
  if (chats.length === 0) add("warning", "chats", "the bot is in none", "Add it to a group.");
  else if (used.length === 0) {
    add("warning", "chats", "no destination leads to one", "gatelink telegram add NAME CHAT");
  }
  for (const { id, title, state, destinations } of used) {
    const about = title ?? String(id);
    const paused = destinations.filter(({ state }) => state === "paused");
    if (state === "left") {
      add("problem", about, "the bot was removed from it; its messages wait", "Add the bot again.");
    } else if (paused.length > 0) {
      add(
        "warning",
        about,
        paused.map(({ name, paused_because }) =>
          `${name} is paused${paused_because === null ? "" : `: ${paused_because}`}`
        )
          .join("; "),
        "gatelink destinations resume NAME",
      );
    } else add("ok", about, destinations.map(({ name }) => name).join(", "));
  }
  return findings;
}
