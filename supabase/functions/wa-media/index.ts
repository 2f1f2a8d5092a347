import { createAccounts } from "../_shared/channels/whatsapp/accounts.ts";
import { deleteUploads, toMeta } from "../_shared/channels/whatsapp/outbound/uploads.ts";
import { env } from "../_shared/config/env.ts";
import { killed } from "../_shared/config/kill_switch.ts";
import { rpc } from "../_shared/db/client.ts";
import { loadConfig } from "../_shared/db/config.ts";
import { count } from "../_shared/db/counters.ts";
import { resolvePublic } from "../_shared/delivery/addresses.ts";
import { requireKey } from "../_shared/gates/keys.ts";
import { createAuthorise } from "../_shared/gates/team.ts";
import { waitUntil } from "../_shared/http/background.ts";
import { Problem } from "../_shared/http/problem.ts";
import { readRules } from "../_shared/links/model/rules.ts";
import { log } from "../_shared/log/log.ts";
import { uploads } from "../_shared/media/kept.ts";
import { createTakeUpload } from "../_shared/media/uploads.ts";
import { serve } from "../_shared/serve/serve.ts";
import { streams } from "../_shared/storage/streaming.ts";
import { createGiveMedia } from "./give.ts";
import { createHandler } from "./handler.ts";
import { createKeeper } from "./keep.ts";
import { createOpenAtMeta } from "./source.ts";

const authorise = createAuthorise();
const world = {
  fetch: (url: string, init: RequestInit) => fetch(url, init),
  resolve: (host: string) => resolvePublic(host),
};
const accounts = createAccounts({
  numberCredentials: (id) => rpc("number_credentials", { p_id: id }),
});
const openAtMeta = createOpenAtMeta(world, accounts);

/** Most megabytes of a file that is stored on arrival: the setting, else all that WhatsApp takes. */
async function maxBytes(): Promise<number> {
  const { settings } = await loadConfig();
  return Number(settings.find(({ key }) => key === "media.max_mb")?.value ?? "100") * 1024 * 1024;
}

export default serve(
  "wa-media",
  createHandler({
    killed,
    requireSecretKey: requireKey,
    requireOperator: (headers) => authorise(headers, "operator"),
    linkSecrets: () => Object.values(env("SUPABASE_SECRET_KEYS").SUPABASE_SECRET_KEYS),
    give: createGiveMedia({
      find: (id) => rpc("find_media", { p_id: id }),
      storage: streams,
      openAtMeta,
      count: (outcome) => count("media_given", outcome),
    }),
    take: createTakeUpload({ rpc, storage: streams }),
    async send({ id }, numberId) {
      const account = { ...await accounts.of(numberId), phoneNumberId: numberId };
      const sent = await toMeta(id, account, { fetch: world.fetch, uploads });
      count("media_sent", !sent.ok ? String(sent.code) : sent.reused ? "known" : "uploaded");
      // Anything but a refusal passes: the file is kept here, and uploaded when it is sent.
      if (sent.ok || sent.kind !== "final") return;
      await rpc("remove_media_upload", { p_id: id });
      const issues = [{ path: "file", message: `Meta: ${sent.message}` }];
      throw new Problem("invalid_request", { extensions: { issues } });
    },
    async remove(id) {
      const { removed, media_ids } = await rpc("remove_media_upload", { p_id: id });
      for (const code of await deleteUploads(world, accounts, media_ids)) {
        log.warn("a file could not be deleted at Meta", { code });
      }
      return removed;
    },
    work: createKeeper({
      rpc,
      storage: streams,
      openAtMeta,
      maxBytes,
      count: (outcome) => count("media_kept", outcome),
      log,
      now: Date.now,
      random: Math.random,
    }),
    waitUntil,
    panelOrigins: async () => (await readRules(await loadConfig(), {})).panelOrigins,
    now: Date.now,
  }),
);
