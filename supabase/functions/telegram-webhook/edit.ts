/**
 * Brings the messages of cards up to date after somebody pressed, and removes those whose content was erased.
 *
 * @module
 */
import type { Rpc } from "../_shared/db/client.ts";
import type { CardEdit } from "../_shared/contract/answers/telegram.ts";
import type { Bot, BotAnswer, CallChat } from "../_shared/channels/telegram/api.ts";
import { cardOf } from "../_shared/channels/telegram/card.ts";
import { sharedRun } from "../_shared/http/shared_run.ts";

/** Dependencies of {@linkcode createEditCards}. */
export interface EditCardsDeps {
  rpc: Rpc;
  /** The bot; why there is none, if so. */
  bot(): Bot | string;
  callChat: CallChat;
  /** Whether cards name who is on call before that is looked up: a kill switch. */
  namesOnCall(): boolean;
  /** Counts an edit by its outcome. */
  count(outcome: string): void;
  onError(message: string, error: unknown): void;
}

/** Cards of one claim; each call of Telegram's ends within ten seconds, a lease after a minute. */
const AT_ONCE = 20;
/** Batches of one run: a run that took longer would hold up who presses meanwhile. */
const BATCHES = 50;
const RETRY_MS = 30_000;
const NO_CHAT_RETRY_MS = 3_600_000;
/** What stands in place of what was erased. */
const REMOVED = "(removed)";

interface Clear {
  readonly chat_id: number;
  readonly message_id: number;
  readonly is_file: boolean;
}

/**
 * Creates the work: edits every card that is due, until none is. Concurrent calls share runs.
 *
 * Failure policy: an edit that fails is tried again after half a minute, or after the wait that Telegram names. A message
 * that is gone, or that nobody may edit any more, is given up: what was pressed stands in the database. Never throws.
 */
export function createEditCards(deps: EditCardsDeps): () => Promise<void> {
  async function all(): Promise<void> {
    try {
      // Presses before removals, of which there may be thousands: the clock comes back for the rest.
      for (let batch = 0; batch < BATCHES; batch++) {
        const edits = await claim(), clears = await claimClears();
        if (edits.length + clears.length === 0) break;
        await Promise.all([...edits.map(edit), ...clears.map(clear)]);
      }
    } catch (error) {
      deps.onError("cards could not be brought up to date", error);
    }
  }

  async function claim(): Promise<CardEdit[]> {
    return await deps.rpc("claim_card_edits", { p_limit: AT_ONCE });
  }

  async function claimClears() {
    return await deps.rpc("claim_card_clears", { p_limit: AT_ONCE });
  }

  /** A bot may delete its messages of the last 48 hours, as an admin all; what it may not delete loses its content. */
  async function clear({ chat_id, message_id, is_file }: Clear): Promise<void> {
    const bot = deps.bot();
    let outcome = "not_ready", retryMs: number | undefined = RETRY_MS;
    if (typeof bot !== "string") {
      const place = { chat_id, message_id };
      let answer = await deps.callChat(bot, "deleteMessage", place);
      if (!answer.ok && (answer.fault === "no_message" || answer.fault === "refused")) {
        answer = is_file
          ? await deps.callChat(bot, "editMessageMedia", emptyFile(place))
          : await deps.callChat(bot, "editMessageText", { ...place, text: REMOVED });
      }
      ({ outcome, retryMs } = outcomeOf(answer));
      if (outcome === "edited") outcome = "removed";
      // The bot may be let in again.
      if (outcome === "no_chat") retryMs = NO_CHAT_RETRY_MS;
    }
    deps.count(outcome);
    await deps.rpc("settle_card_clear", {
      p_chat_id: chat_id,
      p_message_id: message_id,
      ...(retryMs === undefined ? {} : { p_retry_ms: retryMs }),
    }).catch((error) => deps.onError("the removal of a card could not be settled", error));
  }

  async function edit(card: CardEdit): Promise<void> {
    const bot = deps.bot();
    let outcome = "not_ready", retryMs: number | undefined = RETRY_MS;
    if (typeof bot !== "string") {
      const { message, buttons } = cardOf(card.message, {
        token: card.token,
        version: card.version,
        status: { state: card.state, by: card.by, at: card.at, until: card.until },
        ...(card.folded && { folded: card.folded }),
        analysis: card.analysis ?? null,
        ...(card.oncall === null || (card.oncall.outcome === "named" && !deps.namesOnCall())
          ? {}
          : { onCall: card.oncall }),
      });
      const place = { chat_id: card.chat_id, message_id: card.message_id };
      const rest = {
        ...place,
        reply_markup: { inline_keyboard: buttons },
        link_preview_options: { is_disabled: true },
      };
      let answer = await deps.callChat(bot, "editMessageText", { ...rest, ...message });
      if (!answer.ok && answer.fault === "unreadable_text") {
        answer = await deps.callChat(bot, "editMessageText", { ...rest, text: message.text });
      }
      ({ outcome, retryMs } = outcomeOf(answer));
      if (outcome === "edited" && card.is_woken) {
        // Nobody is notified of an edit.
        await deps.callChat(bot, "sendMessage", {
          chat_id: card.chat_id,
          ...(card.topic_id === null ? {} : { message_thread_id: card.topic_id }),
          text: "⏰ The snooze is over.",
          reply_parameters: { message_id: card.message_id, allow_sending_without_reply: true },
        });
      }
    }
    deps.count(outcome);
    await deps.rpc("settle_card_edit", {
      p_delivery_id: card.delivery_id,
      p_lease: card.lease,
      ...(retryMs === undefined ? {} : { p_retry_ms: retryMs }),
    }).catch((error) => deps.onError("an edit of a card could not be settled", error));
  }

  return sharedRun(all);
}

function outcomeOf(answer: BotAnswer): { outcome: string; retryMs: number | undefined } {
  if (answer.ok || answer.fault === "not_modified") return { outcome: "edited", retryMs: undefined };
  switch (answer.fault) {
    case "throttled":
      return { outcome: "throttled", retryMs: answer.retryAfterMs ?? RETRY_MS };
    case "unavailable":
    case "unanswered":
    case "unauthorised":
      return { outcome: answer.fault, retryMs: RETRY_MS };
    default:
      return { outcome: answer.fault, retryMs: undefined };
  }
}

/** Replaces a file by one that says that it was removed. */
function emptyFile({ chat_id, message_id }: { chat_id: number; message_id: number }): FormData {
  const form = new FormData();
  form.set("chat_id", String(chat_id));
  form.set("message_id", String(message_id));
  form.set("media", JSON.stringify({ type: "document", media: "attach://file" }));
  form.set("file", new Blob([REMOVED], { type: "text/plain" }), "removed.txt");
  return form;
}
