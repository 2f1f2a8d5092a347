/**
 * Answers from chats: the notes below them, their files, and their departure once ten seconds have passed.
 *
 * @module
 */
import type { Rpc } from "../_shared/db/client.ts";
import type { ChatReplyFiles, ChatReplyNote } from "../_shared/contract/answers/telegram.ts";
import { type Bot, type CallChat, fetchFile, FILE_BYTES } from "../_shared/channels/telegram/api.ts";
import { noteOf } from "../_shared/channels/telegram/reply.ts";
import { sharedRun } from "../_shared/http/shared_run.ts";

/** Dependencies of {@linkcode createChatReplies}. */
export interface ChatRepliesDeps {
  rpc: Rpc;
  /** The bot; why there is none, if so. */
  bot(): Bot | string;
  callChat: CallChat;
  /** Fetches files. */
  fetch(url: string, init: RequestInit): Promise<Response>;
  /** Whether the kill switch stops answers. */
  stopped(): boolean;
  /** Stores a file of an answer and gives its place; rejects while the storage is unavailable. */
  keepFile(
    id: string,
    index: number,
    type: string,
    bytes: Uint8Array,
  ): Promise<{ bucket: string; path: string }>;
  onError(message: string, error: unknown): void;
}

const AT_ONCE = 20;
/** Batches of one run; the clock comes back for the rest. */
const BATCHES = 20;
const RETRY_MS = 5_000;

/**
 * Creates the work: everything that is due now.
 *
 * Failure policy: a note that cannot be written is tried again, or given up where nobody may write there; it never holds
 * the answer up. A file that cannot be fetched holds its answer for half an hour at most, then nothing goes: a mail
 * without its file would say less than its author meant. Never throws.
 */
export function createChatReplies(deps: ChatRepliesDeps): () => Promise<void> {
  async function all(): Promise<void> {
    try {
      for (let batch = 0; batch < BATCHES; batch++) {
        const { sends, files, notes } = await deps.rpc("claim_chat_replies", {
          p_limit: AT_ONCE,
          p_on: !deps.stopped(),
        });
        if (sends.length + files.length + notes.length === 0) break;
        await Promise.all([...notes.map(note), ...files.map(fetchFiles), ...sends.map(send)]);
      }
    } catch (error) {
      deps.onError("answers from chats could not be worked on", error);
    }
  }

  async function send(id: string): Promise<void> {
    // Its lease ends, and another tries it.
    await deps.rpc("send_chat_reply", { p_id: id })
      .catch((error) => deps.onError("an answer from a chat could not be queued", error));
  }

  async function fetchFiles({ id, files }: ChatReplyFiles): Promise<void> {
    try {
      const bot = deps.bot();
      const fetched: ChatReplyFiles["files"] = [];
      let total = 0;
      for (const [index, file] of files.entries()) {
        if (file.path !== undefined) {
          total += file.size;
          fetched.push(file);
          continue;
        }
        if (typeof bot === "string") return await later(id);
        const found = await fetchFile(bot, file.file_id, deps.fetch);
        if (!found.ok) {
          return await (found.kind === "retry"
            ? later(id)
            : refuse(id, found.fault === "too_big" ? "file_size" : "file"));
        }
        total += found.bytes.length;
        // Telegram need not say a size before.
        if (total > FILE_BYTES) return await refuse(id, "file_size");
        const place = await deps.keepFile(id, index, file.type, found.bytes);
        fetched.push({ ...file, ...place, size: found.bytes.length });
      }
      await deps.rpc("settle_chat_files", { p_id: id, p_files: fetched });
    } catch (error) {
      deps.onError("files of an answer could not be kept", error);
      await later(id).catch((error) => deps.onError("files of an answer could not be settled", error));
    }
  }

  async function later(id: string): Promise<void> {
    await deps.rpc("settle_chat_files", { p_id: id, p_files: [], p_retry_ms: RETRY_MS });
  }

  async function refuse(id: string, why: string): Promise<void> {
    await deps.rpc("settle_chat_files", { p_id: id, p_files: [], p_error: why });
  }

  async function note(reply: ChatReplyNote): Promise<void> {
    const { id, lease, chat_id, topic_id, ask_id, note_id } = reply;
    const bot = deps.bot();
    let retryMs: number | undefined = RETRY_MS, written: number | undefined;
    if (typeof bot !== "string") {
      const { text, buttons } = noteOf(reply);
      const body = {
        chat_id,
        text,
        link_preview_options: { is_disabled: true },
        reply_markup: { inline_keyboard: buttons },
      };
      const answer = note_id === null
        ? await deps.callChat(bot, "sendMessage", {
          ...body,
          ...(topic_id === null ? {} : { message_thread_id: topic_id }),
          disable_notification: true,
          reply_parameters: { message_id: ask_id, allow_sending_without_reply: true },
        })
        : await deps.callChat(bot, "editMessageText", { ...body, message_id: note_id });
      if (answer.ok) {
        const sent = answer.result as { message_id?: unknown } | null;
        if (note_id === null && typeof sent?.message_id === "number") written = sent.message_id;
        retryMs = undefined;
      } else if (answer.fault === "throttled") {
        retryMs = answer.retryAfterMs ?? RETRY_MS;
      } else if (!["unavailable", "unanswered", "unauthorised"].includes(answer.fault)) {
        retryMs = undefined;
      }
    }
    await deps.rpc("settle_chat_note", {
      p_id: id,
      p_lease: lease,
      ...(written === undefined ? {} : { p_note_id: written }),
      ...(retryMs === undefined ? {} : { p_retry_ms: retryMs }),
    }).then(async (isThere) => {
      if (isThere || written === undefined || typeof bot === "string") return;
      await deps.callChat(bot, "deleteMessage", { chat_id, message_id: written });
    }).catch((error) => deps.onError("a note could not be settled", error));
  }

  return sharedRun(all);
}
