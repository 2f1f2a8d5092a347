import { env } from "../_shared/config/env.ts";
import { killed } from "../_shared/config/kill_switch.ts";
import { requireSchema, rpc } from "../_shared/db/client.ts";
import { loadConfig } from "../_shared/db/config.ts";
import { countFlag } from "../_shared/db/counters.ts";
import { createPace } from "../_shared/flags/rate_limit.ts";
import { requireKey } from "../_shared/gates/keys.ts";
import { waitUntil } from "../_shared/http/background.ts";
import { serve } from "../_shared/serve/serve.ts";
import { notify, reportSwitches } from "../_shared/rollouts/compose.ts";
import { evaluated, outcome } from "../_shared/rollouts/outcomes.ts";
import { createHandler } from "./handler.ts";
import { createSignals } from "./signals.ts";

export default serve(
  "flags",
  createHandler({
    requireSchema,
    killed,
    requireKey,
    loadConfig,
    audienceSecrets: () => env("AUDIENCE_SECRET").AUDIENCE_SECRET,
    pace: createPace(),
    outcomes: { outcome, evaluated },
    signals: createSignals(rpc),
    notify,
    reportSwitches,
    waitUntil,
    onFlag: countFlag,
  }),
  { judgesSchema: true },
);
