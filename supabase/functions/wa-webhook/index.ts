import { whatsapp } from "../_shared/channels/whatsapp/index.ts";
import { pipeline } from "../_shared/compose.ts";
import { killed } from "../_shared/config/kill_switch.ts";
import { rpc } from "../_shared/db/client.ts";
import { precedence } from "../_shared/db/precedence.ts";
import { waitUntil } from "../_shared/http/background.ts";
import { watch } from "../_shared/rollouts/compose.ts";
import { serve } from "../_shared/serve/serve.ts";
import { inbound } from "../_shared/pipeline/inbound.ts";
import { createIngest } from "../_shared/pipeline/ingest.ts";

const ingest = createIngest(precedence.first(rpc), whatsapp, {
  freed: () => waitUntil(pipeline.send()),
  told: () => waitUntil(pipeline.forward()),
});

let deciding: Promise<unknown> | undefined, watched: Promise<unknown>;

/** One promise for all webhooks of a busy period, like `decide`. */
function drain(): Promise<unknown> {
  const now = pipeline.decide();
  if (now !== deciding) {
    deciding = now;
    watched = now.then(watch);
  }
  return watched;
}

export default serve(
  "wa-webhook",
  inbound(whatsapp, { killed, ingest, drain, waitUntil }),
);
