import { requireKey } from "../_shared/gates/keys.ts";
import { waitUntil } from "../_shared/http/background.ts";
import { type Call, createRouter } from "../_shared/http/routes.ts";
import { reportSwitches, watch } from "../_shared/rollouts/compose.ts";
import { serve } from "../_shared/serve/serve.ts";
import { detailed, health, ROUTES } from "./handler.ts";
import { plain, plainDetailed } from "./plain.ts";
import { statusPage } from "./status_page.ts";

/** Also runs the watch and tells which kill switches are set: this caller may be the only one left that triggers it. */
function watched(answer: (call: Call) => Promise<Response>): (call: Call) => Promise<Response> {
  return (call) => {
    waitUntil(watch());
    waitUntil(reportSwitches());
    return answer(call);
  };
}

export default serve(
  "health",
  createRouter("health", ROUTES, {
    gates: { secret: (headers) => requireKey(headers).name },
    handlers: {
      health: watched(health()),
      detailed: watched(detailed()),
      plain: watched(plain(health())),
      plainDetailed: watched(plainDetailed(detailed())),
      status: statusPage(),
    },
  }),
  { judgesSchema: true },
);
