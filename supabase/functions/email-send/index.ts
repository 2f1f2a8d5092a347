import { carrierOf, domains, forwardFrom } from "../_shared/channels/email/config.ts";
import { email } from "../_shared/channels/email/index.ts";
import type { Outbound, SentFile } from "../_shared/channels/channel.ts";
import { pipeline } from "../_shared/compose.ts";
import { env } from "../_shared/config/env.ts";
import { killed } from "../_shared/config/kill_switch.ts";
import type { Queued } from "../_shared/contract/answers/pipeline.ts";
import { limitOf, LIMITS } from "../_shared/contract/limits.ts";
import { timingSafeEqual } from "../_shared/crypto/timing_safe_equal.ts";
import { rpc } from "../_shared/db/client.ts";
import { loadConfig } from "../_shared/db/config.ts";
import { groupCommit } from "../_shared/db/group_commit.ts";
import { bearerOf, requireKey } from "../_shared/gates/keys.ts";
import { createAuthorise } from "../_shared/gates/team.ts";
import { waitUntil } from "../_shared/http/background.ts";
import { Problem } from "../_shared/http/problem.ts";
import { isObject } from "../_shared/json/json.ts";
import { readRules } from "../_shared/links/model/rules.ts";
import { type Item, outbound } from "../_shared/pipeline/outbound.ts";
import { serve } from "../_shared/serve/serve.ts";
import { attachmentPath } from "../_shared/storage/paths.ts";
import { storage } from "../_shared/storage/storage.ts";
import { createMailCode } from "./code.ts";
import { createHandler } from "./handler.ts";

const enqueue = groupCommit<Item, Queued>({
  commit: (items) => rpc("enqueue_outbound", { p_items: items }),
  maxItems: 50,
  maxQueued: 2000,
  maxBytes: 8 << 20,
  size: ({ message }) => String(message.html ?? "").length + String(message.text ?? "").length + 1000,
});

async function limit() {
  const { settings } = await loadConfig();
  return limitOf(LIMITS.send, settings.find(({ key }) => key === LIMITS.send.setting.key)?.value);
}

/** A secret key of the project, or the token of services that know none. */
function requireCaller(headers: Headers): { name: string } {
  const bearer = bearerOf(headers);
  if (bearer !== undefined && !headers.has("apikey")) {
    const { API_TOKEN } = env("API_TOKEN");
    // Each is compared in full.
    if (API_TOKEN.filter((token) => timingSafeEqual(token, bearer)).length > 0) return { name: "api_token" };
  }
  return requireKey(headers, { bearer: true });
}

/** Stores attachments before the message is queued; what no message comes to own is removed after a day. */
async function keepFiles(message: Outbound, files: readonly SentFile[]): Promise<Outbound> {
  const id = crypto.randomUUID();
  const day = new Date().toISOString().slice(0, 10);
  const placed = files.map((file) => ({ ...file, place: attachmentPath(day, id, file.index) }));
  await rpc("note_storage_objects", {
    p_objects: placed.map(({ place, index, bytes }) => ({
      ...place,
      kind: "attachment",
      index,
      bytes: bytes.length,
    })),
  });
  for (const { place, bytes } of placed) await storage.put(place, bytes, "application/octet-stream");
  const attachments = Array.isArray(message.attachments) ? message.attachments.filter(isObject) : [];
  return { ...message, attachments: attachments.map((each, i) => ({ ...each, ...placed[i].place })) };
}

const authorise = createAuthorise();

const mailCode = createMailCode({
  rpc,
  sender: () => ({ from: forwardFrom(), sendDomain: domains().sendDomain }),
  provider(name) {
    const carrier = carrierOf(name);
    if ("send" in carrier) return carrier;
    throw new Problem("config_invalid", { cause: new Error(carrier.message) });
  },
  fetch: (url, init) => fetch(url, init),
});

export default serve(
  "email-send",
  createHandler({
    killed,
    send: outbound("email-send", email, {
      killed,
      requireSecretKey: requireCaller,
      limit,
      keepFiles,
      enqueue,
      send: pipeline.send,
      waitUntil,
    }),
    campaigns: { rpc, requireSecretKey: requireKey },
    requireOperator: (headers) => authorise(headers, "operator"),
    mailCode,
    panelOrigins: async () => (await readRules(await loadConfig(), {})).panelOrigins,
  }),
);
