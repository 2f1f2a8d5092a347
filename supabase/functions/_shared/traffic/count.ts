/**
 * Outcomes by environment, by which the guard of a ramp compares blue and green.
 *
 * @module
 */
import { env } from "../config/env.ts";
import type { Environment } from "../http/environment.ts";
import { outcome } from "../rollouts/outcomes.ts";
import { GREEN_FLAG } from "../contract/traffic.ts";
import { readVisit, VISITOR_HEADER } from "./visit.ts";

/**
 * Counts how a request went, if a gateway passed its visit on. A failure is ours (5xx); what a caller did wrong is
 * none. Hot: without the header it costs one look-up.
 */
export function countVisit(
  headers: Headers,
  environment: Environment,
  failed: boolean,
  latencyMs: number,
): void {
  const signed = headers.get(VISITOR_HEADER);
  if (signed === null) return;
  const visitor = readVisit(signed, environment, env("LB_ADMIN_TOKEN").LB_ADMIN_TOKEN);
  if (visitor === undefined) return;
  outcome(GREEN_FLAG, environment === "green" ? "on" : "off", visitor, { failed, latencyMs });
}
