/**
 * Deliveries to destinations that are no service: a mail to an inbox, a card in a chat. Order, leases, retries, circuit and dead
 * letters are those of every delivery; only the attempt itself differs.
 *
 * @module
 */
import type { OwnDestination, SendDeps, Sent } from "../channels/channel.ts";
import type { Registry } from "../channels/registry.ts";
import type { ClaimedDelivery, ClaimedDestination } from "../contract/answers/pipeline.ts";
import type { DeliveryResult } from "../delivery/deliver.ts";
import { platformLimitMs } from "../http/ending.ts";

/** One attempt at a delivery to a destination of another kind than http. Never throws. */
export type DeliverByKind = (
  claimed: ClaimedDelivery,
  destination: ClaimedDestination,
  traceparent: string | undefined,
) => Promise<DeliveryResult>;

/** Dependencies of {@linkcode createDeliverByKind}. */
export interface KindsDeps {
  world: SendDeps;
  /** Kinds that belong to no channel, by the provider that is called. */
  others?: Readonly<Record<string, OwnDestination>>;
  measure(name: string, label: string, ms: number): void;
}

/** Creates the attempts at the destinations of the kinds of these channels, and of others. */
export function createDeliverByKind(registry: Registry, deps: KindsDeps): DeliverByKind {
  const kinds = new Map(
    [
      ...registry.all.map(({ provider, destination }) => ({ provider, destination })),
      ...Object.entries(deps.others ?? {}).map(([provider, destination]) => ({ provider, destination })),
    ].flatMap(({ provider, destination }) =>
      destination === undefined ? [] : [[destination.kind, { provider, destination }]]
    ),
  );
  return async (claimed, destination, traceparent) => {
    const began = performance.now();
    const end = (result: Omit<DeliveryResult, "latencyMs">): DeliveryResult => ({
      ...result,
      latencyMs: Math.round(performance.now() - began),
    });
    const own = kinds.get(destination.kind);
    if (own === undefined) {
      // A newer database: the deployed code does not know the kind yet.
      return end({ ok: false, error: "unsendable", detail: `nothing delivers to a ${destination.kind}` });
    }
    let limitMs: number | undefined;
    const world: SendDeps = {
      ...deps.world,
      fetch: (url, init) =>
        deps.world.fetch(url, init).catch((error) => {
          limitMs = platformLimitMs(error);
          throw error;
        }),
    };
    const { delivery_id: id, message, mail, card, contact } = claimed;
    const sent = await own.destination.deliver(
      { id, message, mail, card, contact, config: destination.config, traceparent },
      world,
    );
    const result = end(limitMs === undefined ? resultOf(sent) : putOff(limitMs));
    deps.measure(own.provider, sent.ok ? "sent" : String(sent.code), result.latencyMs);
    return result;
  };
}

const putOff = (retryAfterMs: number) => ({ ok: false, error: "platform_limit", retryAfterMs } as const);

/** How long a forward waits if its provider names no wait, in milliseconds. */
const THROTTLED_MS = 30_000;

/**
 * The outcome in the terms of deliveries. A pace is not the inbox's failure and counts as no attempt. Everything else
 * that can be repaired (a key, an address that is not confirmed yet) is retried by the schedule of deliveries.
 */
function resultOf(sent: Sent): Omit<DeliveryResult, "latencyMs"> {
  if (sent.ok) {
    return { ok: true, ...(sent.providerId === undefined ? {} : { providerId: sent.providerId }) };
  }
  if (sent.kind === "throttle") return putOff(sent.retryAfterMs ?? THROTTLED_MS);
  const detail = [sent.code, sent.message, sent.details].filter((part) => part !== undefined).join(": ");
  if (sent.kind === "unknown") return { ok: false, error: "unknown_outcome", detail };
  return {
    ok: false,
    error: sent.status !== undefined ? "status" : sent.code === "timeout" ? "timeout" : "unsendable",
    ...(sent.status === undefined ? {} : { status: sent.status }),
    detail,
    ...(sent.retryAfterMs === undefined ? {} : { retryAfterMs: sent.retryAfterMs }),
  };
}
