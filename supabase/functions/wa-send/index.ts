import { whatsapp } from "../_shared/channels/whatsapp/index.ts";
import { pipeline } from "../_shared/compose.ts";
import { killed } from "../_shared/config/kill_switch.ts";
import { rpc } from "../_shared/db/client.ts";
import { loadConfig } from "../_shared/db/config.ts";
import { groupCommit } from "../_shared/db/group_commit.ts";
import { requireKey } from "../_shared/gates/keys.ts";
import { waitUntil } from "../_shared/http/background.ts";
import { serve } from "../_shared/serve/serve.ts";
import { type Item, outbound, type Queued } from "../_shared/pipeline/outbound.ts";

/** Requests a second of one key, unless the setting `wa_send.rate_per_second` says otherwise. */
const RATE_PER_SECOND = 80;

const enqueue = groupCommit<Item, Queued>({
  commit: (items) => rpc<Queued[]>("enqueue_outbound", { p_items: items }),
  maxItems: 100,
  maxQueued: 2000,
});

async function limit() {
  const { settings } = await loadConfig();
  const set = Number(settings.find(({ key }) => key === "wa_send.rate_per_second")?.value);
  const perSecond = set > 0 && set <= 10_000 ? set : RATE_PER_SECOND;
  return { name: "send", perSecond, burst: Math.max(1, Math.ceil(perSecond * 2)) };
}

export default serve(
  "wa-send",
  outbound("wa-send", whatsapp, {
    killed,
    requireSecretKey: requireKey,
    limit,
    enqueue,
    send: pipeline.send,
    waitUntil,
  }),
);
