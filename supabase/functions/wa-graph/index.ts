import { createAccounts } from "../_shared/channels/whatsapp/accounts.ts";
import { whatsapp } from "../_shared/channels/whatsapp/index.ts";
import { deleteMedia, findMedia } from "../_shared/channels/whatsapp/outbound/media.ts";
import { deleteUploads, toMeta } from "../_shared/channels/whatsapp/outbound/uploads.ts";
import { pipeline } from "../_shared/compose.ts";
import { env } from "../_shared/config/env.ts";
import { killed } from "../_shared/config/kill_switch.ts";
import { project } from "../_shared/config/project.ts";
import type { Queued } from "../_shared/contract/answers/pipeline.ts";
import { limitOf, LIMITS } from "../_shared/contract/limits.ts";
import { timingSafeEqual } from "../_shared/crypto/timing_safe_equal.ts";
import { rpc } from "../_shared/db/client.ts";
import { loadConfig } from "../_shared/db/config.ts";
import { count } from "../_shared/db/counters.ts";
import { groupCommit } from "../_shared/db/group_commit.ts";
import { resolvePublic } from "../_shared/delivery/addresses.ts";
import { bearerOf, requireKey } from "../_shared/gates/keys.ts";
import { waitUntil } from "../_shared/http/background.ts";
import { Problem } from "../_shared/http/problem.ts";
import { log } from "../_shared/log/log.ts";
import { uploads } from "../_shared/media/kept.ts";
import { DEFAULT_MINUTES, signLink } from "../_shared/media/link.ts";
import { createTakeUpload } from "../_shared/media/uploads.ts";
import { type Item, outbound } from "../_shared/pipeline/outbound.ts";
import { serve } from "../_shared/serve/serve.ts";
import { streams } from "../_shared/storage/streaming.ts";
import { createHandler } from "./handler.ts";

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const META_ID = /^\d{5,64}$/;

const world = {
  fetch: (url: string, init: RequestInit) => fetch(url, init),
  resolve: (host: string) => resolvePublic(host),
};

const accounts = createAccounts({
  numberCredentials: (id) => rpc("number_credentials", { p_id: id }),
});

const enqueue = groupCommit<Item, Queued>({
  commit: (items) => rpc("enqueue_outbound", { p_items: items }),
  maxItems: 100,
  maxQueued: 2000,
});

async function setting(key: string): Promise<string | undefined> {
  return (await loadConfig()).settings.find((each) => each.key === key)?.value;
}

/** Clients of Meta's know bearer tokens: a secret key, or the token of services that know none. */
function requireCaller(headers: Headers): { name: string } {
  const bearer = bearerOf(headers);
  if (bearer !== undefined && !headers.has("apikey")) {
    const { API_TOKEN } = env("API_TOKEN");
    // Each is compared in full.
    if (API_TOKEN.filter((token) => timingSafeEqual(token, bearer)).length > 0) return { name: "api_token" };
  }
  return requireKey(headers, { bearer: true });
}

/** A signed address of a file, which a client may fetch with or without its key. */
async function addressOf(id: string, numberId: string | undefined): Promise<string> {
  const { PUBLIC_BASE_URL, SUPABASE_URL } = env("PUBLIC_BASE_URL", "SUPABASE_URL");
  return signLink({
    base: `${PUBLIC_BASE_URL ?? SUPABASE_URL}/functions/v1/wa-media`,
    secret: project().key,
    id,
    now: Date.now(),
    minutes: Number(await setting("media.url_minutes") ?? DEFAULT_MINUTES),
    query: numberId === undefined ? "" : `phone_number_id=${encodeURIComponent(numberId)}&`,
  }).url;
}

export default serve(
  "wa-graph",
  createHandler({
    killed,
    requireKey: requireCaller,
    async enqueue(body, by, context) {
      // The very endpoint, with its checks, limit and switch; the caller was let in already.
      const accept = outbound("wa-send", whatsapp, {
        killed,
        requireSecretKey: () => ({ name: by }),
        limit: async () => limitOf(LIMITS.send, await setting(LIMITS.send.setting.key)),
        enqueue,
        send: () => Promise.resolve(),
        waitUntil,
      });
      const request = new Request("http://wa-graph/wa-send", { method: "POST", body: JSON.stringify(body) });
      return await (await accept(request, context)).json();
    },
    drain: pipeline.send,
    outcome: (id) => rpc("outbound_outcome", { p_id: id }),
    take: createTakeUpload({ rpc, storage: streams }),
    async sendUpload({ id }, numberId) {
      const account = { ...await accounts.of(numberId), phoneNumberId: numberId };
      const sent = await toMeta(id, account, { fetch: world.fetch, uploads });
      if (sent.ok || sent.kind !== "final") return;
      await rpc("remove_media_upload", { p_id: id });
      throw new Problem("invalid_request", { detail: sent.message });
    },
    async find(id, numberId) {
      const shape = { messaging_product: "whatsapp", id } as const;
      if (META_ID.test(id)) {
        const found = await findMedia(world, await accounts.candidates(numberId), id);
        if (!found.ok) {
          throw new Problem(found.kind === "gone" ? "media_gone" : "media_unavailable", {
            detail: found.message,
          });
        }
        const { mimeType = "application/octet-stream", sha256 = "", size = 0 } = found;
        return { ...shape, url: await addressOf(id, numberId), mime_type: mimeType, sha256, file_size: size };
      }
      const found = UUID.test(id) ? await rpc("find_media", { p_id: id }) : null;
      if (found?.kind !== "upload") throw new Problem("media_not_found");
      if (found.stored === null) throw new Problem("media_gone");
      const { mime_type, sha256, stored } = found;
      return { ...shape, url: await addressOf(id, undefined), mime_type, sha256, file_size: stored.bytes };
    },
    async remove(id, numberId) {
      if (META_ID.test(id)) {
        const done = await deleteMedia(world, await accounts.candidates(numberId), id);
        if (!done.ok) throw new Problem("media_unavailable", { detail: done.message });
        return;
      }
      const removal = UUID.test(id) ? await rpc("remove_media_upload", { p_id: id }) : undefined;
      if (!removal?.removed) throw new Problem("media_not_found");
      for (const code of await deleteUploads(world, accounts, removal.media_ids)) {
        log.warn("a file could not be deleted at Meta", { code });
      }
    },
    waitUntil,
    count: (code) => count("wa_graph_refused", code),
    countFailed: (code) => count("graph_front_failures", code),
    wait: (ms, signal) =>
      new Promise((resolve) => {
        const end = () => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", end);
          resolve();
        };
        const timer = setTimeout(end, ms);
        if (signal?.aborted) end();
        else signal?.addEventListener("abort", end);
      }),
    now: Date.now,
  }),
);
