import { killed, switchedOn } from "../_shared/config/kill_switch.ts";
import { rpc } from "../_shared/db/client.ts";
import { loadConfig } from "../_shared/db/config.ts";
import { createOrgGate } from "../_shared/gates/org.ts";
import { serve } from "../_shared/serve/serve.ts";
import { createHandler } from "./handler.ts";

export default serve(
  "messages",
  createHandler({ killed, switchedOn, loadConfig, identify: createOrgGate(), rpc }),
);
