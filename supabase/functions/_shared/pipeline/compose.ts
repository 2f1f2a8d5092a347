/**
 * The pipeline with everything real: the database, the network, the environment. Which channels it has is for the caller
 * to say.
 *
 * @module
 */
import type { Registry } from "../channels/registry.ts";
import { killed } from "../config/kill_switch.ts";
import { rpc } from "../db/client.ts";
import { type Config, loadConfig } from "../db/config.ts";
import { count, countFlag } from "../db/counters.ts";
import { measure } from "../db/measurements.ts";
import { type Flag, onForAnybody, prepareFlags } from "../flags/evaluate.ts";
import { type Reach, reachOf, worldOf } from "../delivery/compose.ts";
import { log } from "../log/log.ts";
import { observe } from "../rollouts/observe.ts";
import type { Outcome } from "../rollouts/outcomes.ts";
import { type CompiledRoute, compileRoutes, stoppedOf } from "../routing/routes.ts";
import { createPipeline, type Pipeline } from "./pipeline.ts";
import { routedNow, routerFlag } from "./routed.ts";
import { throughChannels } from "./through.ts";

/** What a configuration means to routing, worked out once for each revision. */
interface Meaning extends Reach {
  flags: ReadonlyMap<string, Flag>;
  routes: CompiledRoute[];
  /** Flags of routes. */
  routeFlags: readonly string[];
}

const meanings = new WeakMap<Config, Promise<Meaning>>();

async function meaningOf(config: Config): Promise<Meaning> {
  let meaning = meanings.get(config);
  if (meaning === undefined) {
    meaning = (async () => ({
      flags: prepareFlags(config.settings, config.segments),
      routes: await compileRoutes(config.routes, ...stoppedOf(config.destinations)).then(tellUnusable),
      routeFlags: [...new Set(config.routes.flatMap(({ flag_key }) => flag_key ?? []))],
      ...await reachOf(config),
    }))();
    meanings.set(config, meaning);
    // A library that could not be loaded this time may be there the next.
    meaning.catch(() => meanings.delete(config));
  }
  return await meaning;
}

/** A pipeline over these channels; an isolate has one. */
export function composePipeline(channels: Registry): Pipeline {
  const names = channels.all.map(({ name }) => name);
  return createPipeline({
    rpc,
    count,
    measure,
    now: () => new Date(),
    random: Math.random,
    rules: async () => {
      const config = await loadConfig();
      return { revision: config.revision, ...await meaningOf(config), onFlag: countFlag };
    },
    routed: () => routedNow(names, killed, async () => (await meaningOf(await loadConfig())).flags),
    world: async () => worldOf(await meaningOf(await loadConfig())),
    onOutcome: (contactId, outcome, channel) =>
      watch(contactId, outcome, ({ routeFlags }) => [routerFlag(channel), ...routeFlags]),
    onIgnored: (why, deliveryId) => {
      count("replies_refused", why);
      log.warn("a service's replies cannot be used", { delivery_id: deliveryId, why });
    },
    onLostReplies: (destination, why) => measure("replies", `${destination} ${why}`, 0),
    onError: (message, error) => log.warn(message, { error }),
    ...throughChannels(channels, {
      killed,
      onForAnybody: isOnForAnybody,
      world: { fetch: (url, init) => fetch(url, init) },
      answerCategory: (messageId, found) =>
        rpc("answer_category", { p_message_id: messageId, p_found: found }),
      count,
      measure,
      onOutcome: (contactId, outcome, flag) => watch(contactId, outcome, () => [flag]),
      log,
    }),
  });
}

/** Once a configuration: a route that matches nothing is no error of any message. Why may quote its words; health says it. */
function tellUnusable(routes: CompiledRoute[]): CompiledRoute[] {
  for (const { id, active, test } of routes) {
    if (active && test === undefined) log.error("a route cannot be used", { route: id });
  }
  return routes;
}

async function isOnForAnybody(feature: string): Promise<boolean> {
  return onForAnybody((await meaningOf(await loadConfig())).flags, feature);
}

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
