import { env } from "../_shared/config/env.ts";
import { killed } from "../_shared/config/kill_switch.ts";
import { requireSchema, rpc } from "../_shared/db/client.ts";
import { type Config, loadConfig } from "../_shared/db/config.ts";
import { count, countFlag } from "../_shared/db/counters.ts";
import { createPace } from "../_shared/flags/pace.ts";
import { type Reach, reachOf, worldOf } from "../_shared/delivery/compose.ts";
import { requireKey } from "../_shared/gates/keys.ts";
import { waitUntil } from "../_shared/http/background.ts";
import { serve } from "../_shared/serve/serve.ts";
import { log } from "../_shared/log/log.ts";
import { createNotifier } from "../_shared/rollouts/notify.ts";
import { evaluated, outcome } from "../_shared/rollouts/outcomes.ts";
import { createHandler } from "./handler.ts";

let reach: { config: Config; reach: Promise<Reach> } | undefined;

async function world() {
  const config = await loadConfig();
  if (reach?.config !== config) reach = { config, reach: reachOf(config) };
  return worldOf(await reach.reach);
}

const notify = createNotifier({
  rpc,
  world,
  random: Math.random,
  onSettled(result, error) {
    count("notifications", result);
    if (result === "dead") {
      log.error("a notification could not be delivered and is given up", { fault: error });
    }
  },
});

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
    notify,
    waitUntil,
    onFlag: countFlag,
  }),
  { judgesSchema: true },
);
