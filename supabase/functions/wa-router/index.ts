import { killed } from "../_shared/config/kill_switch.ts";
import { requireKey } from "../_shared/gates/keys.ts";
import { waitUntil } from "../_shared/http/background.ts";
import { serve } from "../_shared/http/serve.ts";
import { routing } from "../_shared/router/live.ts";
import { createHandler } from "./handler.ts";

export default serve(
  "wa-router",
  createHandler({ killed, requireSecretKey: (headers) => void requireKey(headers), routing, waitUntil }),
);
