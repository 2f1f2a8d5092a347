/**
 * What the functions of one isolate share: the pipeline over the channels that are deployed.
 *
 * @module
 */
import { channels } from "./channels/all.ts";
import { createChatDestination } from "./channels/telegram/chat.ts";
import { bot } from "./channels/telegram/config.ts";
import { killed } from "./config/kill_switch.ts";
import { keyHeaders, project } from "./config/project.ts";
import { pauseChat } from "./db/chat_pauses.ts";
import { rpc } from "./db/client.ts";
import { loadConfig } from "./db/config.ts";
import { count } from "./db/counters.ts";
import { waitUntil } from "./http/background.ts";
import { sharedRun } from "./http/shared_run.ts";
import { composePipeline } from "./pipeline/compose.ts";

/** Off: cards wait. */
const CARDS = "telegram_cards.enabled";
/** Off: cards name nobody. */
const ON_CALL = "dynamic_routing.enabled";
/** Flags of what is found out behind a card. */
const BEHIND_CARDS: readonly string[] = ["mail_analysis.enabled"];

/** Lets the work behind cards begin at once. The clock comes for it in any case, so a call that fails is nobody's loss. */
const callBehindCards = sharedRun(async () => {
  try {
    const { settings } = await loadConfig();
    if (!settings.some(({ key, value }) => BEHIND_CARDS.includes(key) && value === "true")) return;
    const { url, key } = project();
    const response = await fetch(`${url}/functions/v1/telegram-webhook/edit`, {
      method: "POST",
      headers: keyHeaders(key),
      signal: AbortSignal.timeout(5000),
    });
    await response.body?.cancel();
  } catch {
    count("telegram_cards", "not_called");
  }
});

/** Cards in chats, for messages of every channel. */
const telegram = createChatDestination({
  bot,
  isOn: async () => {
    if (killed(CARDS)) return false;
    return (await loadConfig()).settings.some(({ key, value }) => key === CARDS && value === "true");
  },
  namesOnCall: () => !killed(ON_CALL),
  noteCard: async ({ deliveryId, chatId, topicId, messageIds }) => {
    await rpc("note_card", {
      p_delivery_id: deliveryId,
      p_chat_id: chatId,
      p_message_ids: messageIds,
      ...(topicId === null ? {} : { p_topic_id: topicId }),
    });
  },
  moveChat: async (from, to) => {
    await rpc("move_telegram_chat", { p_from: from, p_to: to });
  },
  pauseChat,
  behindCard: (channel) => {
    if (channel === "email") waitUntil(callBehindCards());
  },
  count: (what) => count("telegram_cards", what),
});

/** The pipeline of this isolate. */
export const pipeline = composePipeline(channels, { telegram });
