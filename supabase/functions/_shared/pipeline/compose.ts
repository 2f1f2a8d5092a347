/**
 * The pipeline with its real dependencies: database, network, environment. The caller chooses the channels.
 *
 * @module
 */
import type { OwnDestination, SendDeps, StoredFile } from "../channels/channel.ts";
import type { Registry } from "../channels/registry.ts";
import { env } from "../config/env.ts";
import { killed, switchedOn } from "../config/kill_switch.ts";
import { rpc } from "../db/client.ts";
import { type Config, loadConfig } from "../db/config.ts";
import { count, countFlag } from "../db/counters.ts";
import { measure } from "../db/measurements.ts";
import { precedence } from "../db/precedence.ts";
import { type Flag, onForAnybody, prepareFlags } from "../flags/evaluate.ts";
import { type DeliveryConfig, deliveryConfigOf, deliveryDepsOf } from "../delivery/compose.ts";
import { log } from "../log/log.ts";
import { createWebhookLogEntry } from "../log/redact.ts";
import { orgFlags } from "../masking/flags.ts";
import { mailboxAccess } from "../mailboxes/compose.ts";
import { uploads } from "../media/kept.ts";
import { DEFAULT_MINUTES, signLink } from "../media/link.ts";
import { relayedFileUrl } from "../media/relayed.ts";
import { project } from "../config/project.ts";
import { observe } from "../rollouts/observe.ts";
import type { Arm, Outcome } from "../rollouts/outcomes.ts";
import { type NamedParts, namedParts } from "../routing/address_labels.ts";
import { type CompiledRoute, compileRoutes, stoppedOf } from "../routing/routes.ts";
import type { Bucket } from "../storage/paths.ts";
import { storage } from "../storage/storage.ts";
import { track } from "../tracking/tickets.ts";
import { createPipeline, type Pipeline } from "./pipeline.ts";
import { createMasker } from "./relaying.ts";
import { routedChannels, routerFlag } from "./routed_channels.ts";
import { createChannelSteps } from "./channel_steps.ts";
import { createDeliverByKind } from "./kinds.ts";
import { createMailFigures, ROUTING_FLAG } from "./mail_figures.ts";
import { createOwnWebhookOf } from "./own_webhooks.ts";

/** Most bytes of a file in a message: SendGrid takes 30 MB in all. */
const MAX_FILE_BYTES = 30 << 20;

/** The parts of a configuration that routing uses, computed once per revision. */
interface CompiledConfig extends DeliveryConfig {
  flags: ReadonlyMap<string, Flag>;
  routes: CompiledRoute[];
  /** Ids of destinations with `when_taken` mark. */
  marked: ReadonlySet<string>;
  /** Flags of routes. */
  routeFlags: readonly string[];
  /** Parts of addresses that routes in use ask for. */
  named: NamedParts;
}

const compiledConfigs = new WeakMap<Config, Promise<CompiledConfig>>();

async function compiledOf(config: Config): Promise<CompiledConfig> {
  let compiled = compiledConfigs.get(config);
  if (compiled === undefined) {
    compiled = (async () => ({
      flags: prepareFlags(config.settings, config.segments),
      routes: await compileRoutes(config.routes, ...stoppedOf(config.destinations)).then(tellUnusable),
      marked: new Set(config.destinations.filter((each) => each.when_taken === "mark").map(({ id }) => id)),
      routeFlags: [...new Set(config.routes.flatMap(({ flag_key }) => flag_key ?? []))],
      named: namedParts(config.routes.filter(({ active }) => active !== false).map((r) => r.condition)),
      ...await deliveryConfigOf(config),
    }))();
    compiledConfigs.set(config, compiled);
    // A library that could not be loaded this time may be there the next.
    compiled.catch(() => compiledConfigs.delete(config));
  }
  return await compiled;
}

const mask = createMasker({
  rpc,
  flagsFor: async (org) =>
    orgFlags((await compiledOf(await loadConfig())).flags, { killed, switchedOn }, org),
  mediaUrl: relayedFileUrl,
  onRelayed: (fields) => log.info("a masked text was decided", createWebhookLogEntry(fields)),
});

const mailFigures = createMailFigures({
  count,
  measure,
  named: async () => (await compiledOf(await loadConfig())).named,
  outcome: (contactId, outcome) => watch(contactId, outcome, () => [ROUTING_FLAG], "on"),
  now: () => new Date(),
  onError: (error) => log.warn("a mail could not be counted", { error }),
});

/**
 * Creates the pipeline of these channels; an isolate has one.
 *
 * @param others Destinations that belong to no channel, by the provider that is called.
 */
export function composePipeline(
  channels: Registry,
  others: Readonly<Record<string, OwnDestination>> = {},
): Pipeline {
  const names = channels.all.map(({ name }) => name);
  const sending: SendDeps = {
    fetch: (url, init) => fetch(url, init),
    readFile,
    uploads,
    track,
    mailbox: mailboxAccess,
  };
  return createPipeline({
    rpc: precedence.after(rpc),
    count,
    measure,
    now: () => new Date(),
    random: Math.random,
    rules: async () => {
      const config = await loadConfig();
      return { revision: config.revision, ...await compiledOf(config), onFlag: countFlag };
    },
    routed: async () => {
      const flags = async () => (await compiledOf(await loadConfig())).flags;
      const routed = await routedChannels(names, killed, flags);
      // Texts to organisations are decided whatever the flags say, also that messaging is off: a text that waited would be
      // relayed late. All others are held back one by one.
      const isMasked = names.includes("sms") && !routed.includes("sms") && !killed(routerFlag("sms"));
      return isMasked ? [...routed, "sms"] : routed;
    },
    ...(names.includes("sms") ? { mask } : {}),
    world: async () => deliveryDepsOf(await compiledOf(await loadConfig())),
    mediaOf: async ({ id, channel, type, native }) => {
      const { mediaOf, mediaPath = "wa-media" } = channels.get(channel);
      const media = mediaOf?.(type, native);
      if (media === undefined) return undefined;
      const { settings } = await loadConfig();
      const { PUBLIC_BASE_URL, SUPABASE_URL } = env("PUBLIC_BASE_URL", "SUPABASE_URL");
      const { url, expiresAt } = signLink({
        base: `${PUBLIC_BASE_URL ?? SUPABASE_URL}/functions/v1/${mediaPath}`,
        secret: project().key,
        id,
        now: Date.now(),
        minutes: Number(settings.find(({ key }) => key === "media.url_minutes")?.value ?? DEFAULT_MINUTES),
      });
      const { id: mediaId, mimeType: mime_type, sha256, size, name } = media;
      return { id: mediaId, mime_type, sha256, size, name, url, expires_at: expiresAt };
    },
    deliverByKind: mailFigures.counting(createDeliverByKind(channels, { world: sending, others, measure })),
    onRouted: mailFigures.onRouted,
    ownWebhookOf: createOwnWebhookOf(channels),
    onOutcome: (contactId, outcome, channel) => {
      // Only who has the router gets a delivery, and only who has sending is sent to, whatever the flag says by now.
      inMemory(({ flags, routeFlags }) => {
        observe(flags, [routerFlag(channel)], contactId, outcome, { had: "on" });
        observe(flags, routeFlags, contactId, outcome);
      });
    },
    onIgnored: (why, deliveryId) => {
      count("replies_refused", why);
      log.warn("a service's replies cannot be used", { delivery_id: deliveryId, why });
    },
    onLostReplies: (destination, why) => measure("replies", `${destination} ${why}`, 0),
    onError: (message, error) => log.warn(message, { error }),
    ...createChannelSteps(channels, {
      killed,
      onForAnybody: isOnForAnybody,
      world: sending,
      answerCategory: (messageId, found) =>
        rpc("answer_category", { p_message_id: messageId, p_found: found }),
      count,
      measure,
      onOutcome: (contactId, outcome, flag) => watch(contactId, outcome, () => [flag], "on"),
      log,
    }),
  });
}

/**
 * Logs unusable routes, once per configuration: such a route is not an error of any message. The reason may
 * quote the route's text; health shows it.
 */
function tellUnusable(routes: CompiledRoute[]): CompiledRoute[] {
  for (const { id, active, test } of routes) {
    if (active && test === undefined) log.error("a route cannot be used", { route: id });
  }
  return routes;
}

/** A stored file to send; a larger one than a provider takes is an error. */
function readFile({ bucket, path }: StoredFile): Promise<Uint8Array | undefined> {
  return storage.get({ bucket: bucket as Bucket, path }, MAX_FILE_BYTES);
}

async function isOnForAnybody(feature: string): Promise<boolean> {
  return onForAnybody((await compiledOf(await loadConfig())).flags, feature);
}

/** Counts a person's outcome for the guard of rollouts. */
function watch(
  contactId: string,
  outcome: Outcome,
  flagsOf: (compiled: CompiledConfig) => Iterable<string>,
  had?: Arm,
): void {
  inMemory((compiled) =>
    observe(compiled.flags, flagsOf(compiled), contactId, outcome, had === undefined ? {} : { had })
  );
}

/** Counts outcomes. Everything it needs is in memory, and nobody waits for it. */
function inMemory(count: (compiled: CompiledConfig) => void): void {
  loadConfig().then(compiledOf).then(
    count,
    (error) => log.warn("an outcome could not be counted", { error }),
  );
}
