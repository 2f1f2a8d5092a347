import { bot } from "../_shared/channels/telegram/config.ts";
import { chatCaller } from "../_shared/channels/telegram/api.ts";
import { killed } from "../_shared/config/kill_switch.ts";
import { pauseChat } from "../_shared/db/chat_pauses.ts";
import { rpc } from "../_shared/db/client.ts";
import { count } from "../_shared/db/counters.ts";
import { requireKey } from "../_shared/gates/keys.ts";
import { waitUntil } from "../_shared/http/background.ts";
import { log } from "../_shared/log/log.ts";
import { atlassianSecrets, onCallProvider, pagerDutySecrets } from "../_shared/oncall/config.ts";
import { serve } from "../_shared/serve/serve.ts";
import { createHandler } from "./handler.ts";
import { createMirror } from "./mirror.ts";
import { createOnCallWork } from "./work.ts";

const work = createOnCallWork({
  rpc,
  isKilled: () => killed("dynamic_routing"),
  provider: onCallProvider,
  bot,
  callChat: chatCaller((url, init) => fetch(url, init), pauseChat),
  count: (source, outcome) => count("oncall_lookups", `${source} ${outcome}`),
  onError: (message, error) => log.warn(message, { error }),
});
const mirror = createMirror({
  rpc,
  isKilled: () => killed("dynamic_routing"),
  provider: onCallProvider,
  count: (source, outcome) => count("oncall_events", `${source} ${outcome}`),
  onError: (message, error) => log.error(message, { error }),
});

export default serve(
  "oncall-webhook",
  createHandler({
    killed,
    requireSecretKey: requireKey,
    rpc,
    provider: onCallProvider,
    work: () => Promise.all([work(), mirror()]),
    pagerDutySecrets,
    atlassianSecrets,
    now: Date.now,
    count: (source, outcome) => count("oncall_events", `${source} ${outcome}`),
    waitUntil,
  }),
);
