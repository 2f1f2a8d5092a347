import { sms } from "../_shared/channels/sms/index.ts";
import { pipeline } from "../_shared/compose.ts";
import { killed } from "../_shared/config/kill_switch.ts";
import type { Queued } from "../_shared/contract/answers/pipeline.ts";
import { limitOf, LIMITS } from "../_shared/contract/limits.ts";
import { rpc } from "../_shared/db/client.ts";
import { loadConfig } from "../_shared/db/config.ts";
import { groupCommit } from "../_shared/db/group_commit.ts";
import { requireKey } from "../_shared/gates/keys.ts";
import { waitUntil } from "../_shared/http/background.ts";
import { type Item, outbound } from "../_shared/pipeline/outbound.ts";
import { serve } from "../_shared/serve/serve.ts";

const enqueue = groupCommit<Item, Queued>({
  commit: (items) => rpc("enqueue_outbound", { p_items: items }),
  maxItems: 100,
  maxQueued: 2000,
});

async function limit() {
  const { settings } = await loadConfig();
  return limitOf(LIMITS.send, settings.find(({ key }) => key === LIMITS.send.setting.key)?.value);
}

export default serve(
  "sms-send",
  outbound("sms-send", sms, {
    killed,
    requireSecretKey: requireKey,
    limit,
    enqueue,
    send: pipeline.send,
    waitUntil,
  }),
);
