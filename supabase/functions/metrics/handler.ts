/**
 * `GET /functions/v1/metrics`: counters and current state in Prometheus' text format. For secret keys.
 *
 * Failure policy: 503 while the database is unavailable. Prometheus reports a failed scrape as `up`; invented
 * zeros would look like counters that were reset.
 *
 * @module
 */
import { env } from "../_shared/config/env.ts";
import { killSwitches } from "../_shared/config/kill_switch.ts";
import { type Rpc, rpc } from "../_shared/db/client.ts";
import type { Route } from "../_shared/http/routes.ts";
import { CONTENT_TYPE, render } from "./exposition.ts";
import { metricsOf } from "./metrics.ts";

/** Prometheus sends the key as a bearer token (`authorization`), or in `apikey` if configured so. */
export const ROUTES = [
  { method: "GET", path: "/", auth: "secret bearer", handler: "metrics" },
] as const satisfies readonly Route[];

/** The handler. */
export function metrics(call: Rpc = rpc): () => Promise<Response> {
  return async () => {
    const snapshot = await call("metrics", {}, { timeoutMs: 8000 });
    const text = render(metricsOf(snapshot, {
      version: env("GATELINK_VERSION").GATELINK_VERSION,
      environment: env("DEPLOY_ENVIRONMENT").DEPLOY_ENVIRONMENT,
      switches: killSwitches(),
    }));
    return new Response(text, { headers: { "content-type": CONTENT_TYPE, "cache-control": "no-store" } });
  };
}
