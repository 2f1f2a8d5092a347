import { pipeline } from "../_shared/compose.ts";
import { killed, switchedOn } from "../_shared/config/kill_switch.ts";
import { limitOf, LIMITS } from "../_shared/contract/limits.ts";
import { rpc } from "../_shared/db/client.ts";
import { loadConfig } from "../_shared/db/config.ts";
import { createOrgGate } from "../_shared/gates/org.ts";
import { requireRate } from "../_shared/gates/rate_limit.ts";
import { waitUntil } from "../_shared/http/background.ts";
import { relayedFileUrl } from "../_shared/media/relayed.ts";
import { serve } from "../_shared/serve/serve.ts";
import { createHandler } from "./handler.ts";

export default serve(
  "messages",
  createHandler({
    killed,
    switchedOn,
    loadConfig,
    identify: createOrgGate(),
    rpc,
    limit: (subject) => requireRate(limitOf(LIMITS.threadTexts), subject),
    mediaUrl: relayedFileUrl,
    send: () => waitUntil(pipeline.send()),
  }),
);
