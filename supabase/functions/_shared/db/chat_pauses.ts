/**
 * Chats to which Telegram wants nothing to go for a while.
 *
 * @module
 */
import { log } from "../log/log.ts";
import { rpc } from "./client.ts";

/**
 * Has everything wait that is for a chat: cards, edits, removals.
 *
 * Failure policy: open. If that cannot be stored, the next call meets Telegram's limit itself. Never rejects.
 */
export async function pauseChat(chatId: number, ms: number): Promise<void> {
  try {
    await rpc("pause_telegram_chat", { p_chat_id: chatId, p_ms: ms });
  } catch (error) {
    log.warn("a chat could not be paused", { error });
  }
}
