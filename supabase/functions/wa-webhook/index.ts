import { whatsapp } from "../_shared/channels/whatsapp/index.ts";
import { pipeline } from "../_shared/compose.ts";
import { killed } from "../_shared/config/kill_switch.ts";
import { rpc } from "../_shared/db/client.ts";
import { waitUntil } from "../_shared/http/background.ts";
import { watch } from "../_shared/rollouts/compose.ts";
import { serve } from "../_shared/serve/serve.ts";
import { inbound } from "../_shared/pipeline/inbound.ts";
import { createIngest } from "../_shared/pipeline/ingest.ts";

export default serve(
  "wa-webhook",
  inbound(whatsapp, {
    killed,
    ingest: createIngest(rpc, whatsapp),
    drain: async () => {
      await pipeline.decide();
      await watch();
    },
    waitUntil,
  }),
);
