import { env } from "../_shared/config/env.ts";
import { killed } from "../_shared/config/kill_switch.ts";
import { rpc } from "../_shared/db/client.ts";
import { waitUntil } from "../_shared/http/background.ts";
import { serve } from "../_shared/http/serve.ts";
import { routing } from "../_shared/pipeline/compose.ts";
import { createHandler } from "./handler.ts";
import { createIngest } from "./ingest.ts";

export default serve(
  "wa-webhook",
  createHandler({
    killed: () => killed("wa_webhook.enabled"),
    appSecrets: () => env("WHATSAPP_APP_SECRET").WHATSAPP_APP_SECRET,
    verifyToken: () => env("WHATSAPP_VERIFY_TOKEN").WHATSAPP_VERIFY_TOKEN,
    ingest: createIngest(rpc),
    drain: routing.decide,
    waitUntil,
  }),
);
