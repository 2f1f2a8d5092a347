/** The flags function as it is deployed, in a process of its own, with a configuration in memory and no database. */
import { countFlag } from "../supabase/functions/_shared/db/counters.ts";
import { createPace } from "../supabase/functions/_shared/flags/rate_limit.ts";
import { requireKey } from "../supabase/functions/_shared/gates/keys.ts";
import { serve } from "../supabase/functions/_shared/serve/serve.ts";
import { killed } from "../supabase/functions/_shared/config/kill_switch.ts";
import { createHandler } from "../supabase/functions/flags/handler.ts";
import { flagSettings } from "./flags_settings.ts";

const config = {
  revision: 1,
  settings: [
    ...flagSettings(),
    // The limit is not what is measured.
    { key: "flags.rate_per_second", value: "1000000", metadata: {}, version: 1 },
  ],
  segments: {},
  unreadable: [],
  routes: [],
  destinations: [],
  allowlist: [],
};

const { fetch } = serve(
  "flags",
  createHandler({
    killed,
    requireKey,
    audienceSecrets: () => [],
    loadConfig: () => Promise.resolve(config),
    pace: createPace(),
    outcomes: { outcome() {}, evaluated() {} },
    notify: () => Promise.resolve(),
    signals: {
      feedback: () => Promise.reject(new Error("none")),
      metrics: () => Promise.reject(new Error("none")),
    },
    reportSwitches: () => Promise.resolve(),
    waitUntil() {},
    onFlag: countFlag,
  }),
);
const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => fetch(request));
console.log(`listening on ${server.addr.port}`);
