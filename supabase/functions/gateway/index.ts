import { env } from "../_shared/config/env.ts";
import { killed } from "../_shared/config/kill_switch.ts";
import { rpc } from "../_shared/db/client.ts";
import { loadConfig } from "../_shared/db/config.ts";
import { serve } from "../_shared/serve/serve.ts";
import { createHandler } from "./handler.ts";

export default serve(
  "gateway",
  createHandler({
    tokens: () => env("LB_ADMIN_TOKEN").LB_ADMIN_TOKEN,
    loadConfig,
    killed,
    rpc,
    project: () => env("SUPABASE_URL").SUPABASE_URL,
    fetch,
  }),
  // It stands before functions that each judge for themselves.
  { judgesSchema: true },
);
