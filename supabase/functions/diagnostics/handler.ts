/**
 * `GET /functions/v1/diagnostics`: recent activity, for the investigation of a fault. For secret keys; team
 * members call the SQL function `diagnostics`.
 *
 * @module
 */
import { env } from "../_shared/config/env.ts";
import { killSwitches } from "../_shared/config/kill_switch.ts";
import type { Diagnostics } from "../_shared/contract/http/operation.ts";
import { waitingInWords } from "../_shared/contract/words/waiting.ts";
import { type Rpc, rpc } from "../_shared/db/client.ts";
import type { Route } from "../_shared/http/routes.ts";

/** Each address and method, and who may call it. */
export const ROUTES = [
  { method: "GET", path: "/", auth: "secret", handler: "diagnostics" },
] as const satisfies readonly Route[];

/**
 * The handler: the result of `diagnostics`, with texts for codes and with what only a process knows (version,
 * environment, kill switches). Contains no personal data: contacts are their last four digits.
 */
export function diagnostics(call: Rpc = rpc): () => Promise<Response> {
  return async () => {
    const found = await call("diagnostics", {}, {
      timeoutMs: 8000,
    });
    const body: Diagnostics = {
      version: env("GATELINK_VERSION").GATELINK_VERSION,
      environment: env("DEPLOY_ENVIRONMENT").DEPLOY_ENVIRONMENT,
      kill_switches: killSwitches(),
      ...found,
      waiting: waitingInWords(found.waiting),
    };
    return Response.json(body, { headers: { "cache-control": "no-store" } });
  };
}
