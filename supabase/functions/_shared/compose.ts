/**
 * What the functions of one isolate share: the pipeline over the channels that are deployed.
 *
 * @module
 */
import { channels } from "./channels/all.ts";
import { createChatDestination } from "./channels/telegram/chat.ts";
import { bot } from "./channels/telegram/config.ts";
import { killed } from "./config/kill_switch.ts";
import { rpc } from "./db/client.ts";
import { loadConfig } from "./db/config.ts";
import { count } from "./db/counters.ts";
import { composePipeline } from "./pipeline/compose.ts";

/** Off: cards wait. */
const CARDS = "telegram_cards.enabled";

/** Cards in chats, for messages of every channel. */
const telegram = createChatDestination({
  bot,
  isOn: async () => {
    if (killed(CARDS)) return false;
    return (await loadConfig()).settings.some(({ key, value }) => key === CARDS && value === "true");
  },
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
  count: (what) => count("telegram_cards", what),
});

/** The pipeline of this isolate. */
export const pipeline = composePipeline(channels, { telegram });
