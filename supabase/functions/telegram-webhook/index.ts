import { chatCaller } from "../_shared/channels/telegram/api.ts";
import { bot, webhookSecrets } from "../_shared/channels/telegram/config.ts";
import { model } from "../_shared/analysis/config.ts";
import { env } from "../_shared/config/env.ts";
import { killed } from "../_shared/config/kill_switch.ts";
import { pauseChat } from "../_shared/db/chat_pauses.ts";
import { rpc } from "../_shared/db/client.ts";
import { loadConfig } from "../_shared/db/config.ts";
import { count } from "../_shared/db/counters.ts";
import { measure } from "../_shared/db/measurements.ts";
import { requireKey } from "../_shared/gates/keys.ts";
import { waitUntil } from "../_shared/http/background.ts";
import { log } from "../_shared/log/log.ts";
import { serve } from "../_shared/serve/serve.ts";
import { createAnalyse } from "./analyse.ts";
import { attachmentPath } from "../_shared/storage/paths.ts";
import { storage } from "../_shared/storage/storage.ts";
import { createEditCards } from "./edit.ts";
import { createHandler } from "./handler.ts";
import { createChatReplies } from "./replies.ts";

/** Noted before it is uploaded: what no message comes to own is removed after a day. */
async function keepFile(id: string, index: number, type: string, bytes: Uint8Array) {
  const file = attachmentPath(new Date().toISOString().slice(0, 10), id, index);
  await rpc("note_storage_objects", {
    p_objects: [{ ...file, kind: "attachment", index, bytes: bytes.length }],
  });
  await storage.put(file, bytes, type);
  return file;
}

const call = (url: string, init: RequestInit) => fetch(url, init);
const callChat = chatCaller(call, pauseChat);

export default serve(
  "telegram-webhook",
  createHandler({
    killed,
    requireSecretKey: requireKey,
    rpc,
    secrets: webhookSecrets,
    bot,
    webhookUrl: () => {
      const { WEBHOOK_BASE_URL, PUBLIC_BASE_URL, SUPABASE_URL } = env(
        "WEBHOOK_BASE_URL",
        "PUBLIC_BASE_URL",
        "SUPABASE_URL",
      );
      return `${WEBHOOK_BASE_URL ?? PUBLIC_BASE_URL ?? SUPABASE_URL}/functions/v1/telegram-webhook`;
    },
    fetch: call,
    editCards: createEditCards({
      rpc,
      bot,
      callChat,
      namesOnCall: () => !killed("dynamic_routing.enabled"),
      count: (outcome) => count("telegram_edits", outcome),
      onError: (message, error) => log.warn(message, { error }),
    }),
    analyse: createAnalyse({
      rpc,
      stopped: () => killed("mail_analysis"),
      model,
      localOnly: async () => {
        const { settings } = await loadConfig();
        const value = settings.find(({ key }) => key === "mail_analysis.local_only")?.value ?? "";
        return value.toLowerCase().split(",").map((each) => each.trim()).filter((each) => each !== "");
      },
      bot,
      callChat,
      fetch: call,
      clock: () => performance.now(),
      count,
      measure,
      onError: (message, error) => log.warn(message, { error }),
    }),
    workOnReplies: createChatReplies({
      rpc,
      bot,
      callChat,
      fetch: call,
      stopped: () => killed("email_replies.enabled"),
      keepFile,
      onError: (message, error) => log.warn(message, { error }),
    }),
    count: (kind) => count("telegram_updates", kind),
    waitUntil,
  }),
);
