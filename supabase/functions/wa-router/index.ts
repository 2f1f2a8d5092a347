import { pipeline } from "../_shared/compose.ts";
import { env } from "../_shared/config/env.ts";
import { killed } from "../_shared/config/kill_switch.ts";
import { project } from "../_shared/config/project.ts";
import { limitOf, LIMITS } from "../_shared/contract/limits.ts";
import { rpc } from "../_shared/db/client.ts";
import { createConfigLoader, loadConfig } from "../_shared/db/config.ts";
import { count } from "../_shared/db/counters.ts";
import { deliveryConfigOf, deliveryDepsOf } from "../_shared/delivery/compose.ts";
import { requireKey } from "../_shared/gates/keys.ts";
import { requireRate } from "../_shared/gates/rate_limit.ts";
import { waitUntil } from "../_shared/http/background.ts";
import { reportSwitches } from "../_shared/rollouts/compose.ts";
import { serve } from "../_shared/serve/serve.ts";
import { readRules } from "../_shared/links/model/rules.ts";
import type { TeamRole } from "../_shared/contract/states.ts";
import { createAuthorise } from "../_shared/gates/team.ts";
import { createHandler } from "./handler.ts";
import { createHeaders } from "./headers.ts";
import { createInvite } from "./invitations.ts";
import { createNumberCheck } from "./numbers.ts";
import { createTemplates } from "./templates.ts";
import { whatsapp } from "../_shared/channels/whatsapp/index.ts";
import { createTest } from "./destination_test_event.ts";

const authorise = createAuthorise();
const gate = (role: TeamRole) => (headers: Headers) => authorise(headers, role);

const test = createTest({
  rpc,
  limit: (actor) => requireRate(limitOf(LIMITS.destinationTests), actor),
  world: async () => deliveryDepsOf(await deliveryConfigOf(await createConfigLoader(rpc)())),
  ownWebhook: whatsapp.ownWebhook,
  count,
});

export default serve(
  "wa-router",
  createHandler({
    killed,
    requireSecretKey: (headers) => void requireKey(headers),
    gates: { operator: gate("operator"), admin: gate("admin") },
    pipeline,
    waitUntil,
    reportSwitches,
    test,
    headers: createHeaders({ rpc, keys: () => env("SEALING_KEYS").SEALING_KEYS }),
    templates: createTemplates({ rpc, fetch: (url, init) => fetch(url, init) }),
    invite: createInvite({
      rpc,
      fetch: (url, init) => fetch(url, init),
      project,
      limit: (actor) => requireRate(limitOf(LIMITS.invitations), actor),
    }),
    checkNumbers: createNumberCheck({ rpc, fetch: (url, init) => fetch(url, init), now: Date.now }),
    panelOrigins: async () => (await readRules(await loadConfig(), {})).panelOrigins,
  }),
);
