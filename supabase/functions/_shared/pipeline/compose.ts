/**
 * Routing with everything real: the database, the network, the environment. The composition that `wa-webhook`,
 * `wa-router` and `wa-send` share; one an isolate.
 *
 * @module
 */
import { configFaults, env } from "../config/env.ts";
import { killed } from "../config/kill_switch.ts";
import { rpc } from "../db/client.ts";
import { type Config, loadConfig } from "../db/config.ts";
import { count, countFlag } from "../db/counters.ts";
import { measure } from "../db/measurements.ts";
import { type Flag, onForAnybody, prepareFlags } from "../flags/evaluate.ts";
import { type Reach, reachOf, worldOf } from "../delivery/compose.ts";
import { traceparentFor } from "../http/traceparent.ts";
import { log } from "../log/log.ts";
import { observe } from "../rollouts/observe.ts";
import type { Outcome } from "../rollouts/outcomes.ts";
import { type CompiledRoute, compileRoutes } from "../routing/routes.ts";
import { nextSendAttempt } from "../channels/whatsapp/outbound/errors.ts";
import { send } from "../channels/whatsapp/outbound/graph.ts";
import { checkMessage, type OutboundMessage, wordsOf } from "../channels/whatsapp/outbound/outbound.ts";
import { ROUTER_FLAG } from "./decide.ts";
import type { Reply } from "./forward.ts";
import { createRouting, type Routing } from "./routing.ts";
import { type ClaimedMessage, SEND_FLAG, type Sent } from "./send.ts";

/** What a configuration means to routing, worked out once for each revision. */
interface Meaning extends Reach {
  flags: ReadonlyMap<string, Flag>;
  routes: CompiledRoute[];
  /** Flags that routing reads: its own, and those of routes. */
  routingFlags: ReadonlySet<string>;
}

const meanings = new WeakMap<Config, Promise<Meaning>>();

async function meaningOf(config: Config): Promise<Meaning> {
  let meaning = meanings.get(config);
  if (meaning === undefined) {
    meaning = (async () => ({
      flags: prepareFlags(config.settings, config.segments),
      routes: await compileRoutes(
        config.routes,
        new Set(config.destinations.filter(({ state }) => state === "paused").map(({ id }) => id)),
      ),
      routingFlags: new Set([ROUTER_FLAG, ...config.routes.flatMap(({ flag_key }) => flag_key ?? [])]),
      ...await reachOf(config),
    }))();
    meanings.set(config, meaning);
    // A library that could not be loaded this time may be there the next.
    meaning.catch(() => meanings.delete(config));
  }
  return await meaning;
}

/** Routing of this isolate. */
export const routing: Routing = createRouting({
  rpc,
  killed,
  count,
  measure,
  now: () => new Date(),
  random: Math.random,
  rules: async () => {
    const config = await loadConfig();
    return { revision: config.revision, ...await meaningOf(config), onFlag: countFlag };
  },
  enabled: async (feature) => {
    if (killed(feature)) return false;
    if (feature === SEND_FLAG && configFaults("WHATSAPP_ACCESS_TOKEN").length > 0) {
      log.error("messages wait: WHATSAPP_ACCESS_TOKEN is not set", { feature });
      return false;
    }
    return onForAnybody((await meaningOf(await loadConfig())).flags, feature);
  },
  world: async () => worldOf(await meaningOf(await loadConfig())),
  onOutcome: (contactId, outcome) => watch(contactId, outcome, ({ routingFlags }) => routingFlags),
  checkReplies,
  onIgnored: (why, deliveryId) => {
    count("replies_refused", why);
    log.warn("a service's replies cannot be used", { delivery_id: deliveryId, why });
  },
  send: sendOne,
  onError: (message, error) => log.warn(message, { error }),
});

/**
 * Counts for the guard of rollouts how it went for a person. What it asks for is in memory; the one who waits for it is
 * nobody.
 */
function watch(contactId: string, outcome: Outcome, flagsOf: (meaning: Meaning) => Iterable<string>): void {
  loadConfig().then(meaningOf).then(
    (meaning) => observe(meaning.flags, flagsOf(meaning), contactId, outcome),
    (error) => log.warn("an outcome could not be counted", { error }),
  );
}

/**
 * A service's replies as they are queued. They go to the person who wrote, whatever they say: a service must not
 * reach others through the answer to a delivery.
 *
 * Failure policy: a reply that Meta would refuse is left out, counted and told; the delivery itself succeeded.
 */
function checkReplies(
  replies: readonly Record<string, unknown>[],
  identities: Record<string, string>,
  deliveryId: string,
): Reply[] {
  const to = identities.phone ?? identities.bsuid ?? identities.parent_bsuid;
  return replies.flatMap((reply, index) => {
    const checked = checkMessage(reply);
    if (checked.ok && to !== undefined) {
      return [{ to, message: checked.value, text: wordsOf(checked.value) }];
    }
    count("replies_refused", checked.ok ? "nobody" : "invalid");
    log.warn("a reply of a service cannot be sent", {
      delivery_id: deliveryId,
      reply: index,
      issues: checked.ok ? "the person has no id that can be written to" : checked.issues,
    });
    return [];
  });
}

async function sendOne(
  { id, to, number_id, contact_id, message, attempt, traceparent: came }: ClaimedMessage,
): Promise<Sent> {
  const { WHATSAPP_ACCESS_TOKEN, WHATSAPP_GRAPH_URL } = env("WHATSAPP_ACCESS_TOKEN", "WHATSAPP_GRAPH_URL");
  const account = { graphUrl: WHATSAPP_GRAPH_URL, token: WHATSAPP_ACCESS_TOKEN, phoneNumberId: number_id };
  const began = performance.now();
  const traceparent = came == null ? undefined : traceparentFor(id, id, came);
  const result = await send(fetch, account, { id, to, message: message as OutboundMessage, traceparent });
  const latencyMs = performance.now() - began;
  measure("graph", result.ok ? "sent" : String(result.code), latencyMs);
  watch(contact_id, { failed: !result.ok, latencyMs }, () => [SEND_FLAG]);
  if (result.ok) return { outcome: "sent", provider_id: result.wamid ?? null };
  count("outbound_errors", String(result.code));
  const { ok: _, retryAfterMs: __, ...error } = result;
  const next = nextSendAttempt(attempt, result);
  if (next.outcome === "failed") return { outcome: "failed", error: { ...error, given_up: next.why } };
  return {
    outcome: "retry",
    error,
    retry_after_ms: next.afterMs,
    ...(result.scope === "number" ? { throttled: "number" } : {}),
  };
}
