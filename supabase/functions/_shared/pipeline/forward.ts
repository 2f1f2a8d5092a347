/**
 * The second step of the pipeline: sends claimed deliveries, concurrently across conversations, and settles
 * them in groups.
 *
 * @module
 */
import type { Outbound } from "../channels/channel.ts";
import type { EventMedia } from "../contract/http/messages.ts";
import type {
  Claim,
  ClaimedDelivery,
  ClaimedDestination,
  ClaimedEvent,
  LeftOut,
} from "../contract/answers/pipeline.ts";
import type { Result } from "../contract/sql.ts";
import type { Rpc } from "../db/client.ts";
import { groupCommit } from "../db/group_commit.ts";
import { deliver, type DeliveryDeps, type DeliveryResult } from "../delivery/deliver.ts";
import { SCHEDULE } from "../contract/retries.ts";
import { asideOf, next } from "../delivery/retry.ts";
import { traceparentFor } from "../http/traceparent.ts";
import { messageEventOf, serviceEventOf } from "./events.ts";
import type { DeliverByKind } from "./kinds.ts";
import type { OwnWebhookOf } from "./own_webhooks.ts";
import { retrySettlement } from "./retry.ts";
import { type Round, roundOf, type Track } from "./pump.ts";

/**
 * Most concurrent deliveries of one isolate; a single destination gets half of them, see places_for in SQL.
 */
const CONCURRENCY = 256;
/**
 * Fewest free places worth a claim: claiming for each place that becomes free would cost one call per
 * delivery.
 */
const WORTH_A_CLAIM = 4;
/** Interval of the search for expired leases, in milliseconds. */
const EXPIRED_EVERY_MS = 1000;
/** How long a round waits for a settlement, which claims as well, in milliseconds: a database may be held up. */
const PATIENCE_MS = 250;
/** Longer than the longest timeout of a destination (30 s), so that no lease expires during a delivery. */
const LEASE_SECONDS = 60;
/**
 * How long a settlement is retried while the database is unavailable: within the lease of the slowest
 * delivery.
 */
const SETTLE_MS = 20_000;

/** Places of the forwarder that are reserved for a call that also claims deliveries. */
export interface Places {
  /** The call's argument `p_claim`. */
  readonly claim: {
    limit: number;
    /**
     * All free places, of which the call may fill `limit`: the places left by other destinations decide how
     * many one destination gets.
     */
    free: number;
    lease_seconds: number;
    busy: Record<string, number>;
    channels: readonly string[];
  };
  /**
   * Starts the claimed deliveries and releases the unused places. Call it once, even if the call failed.
   * @param ended Number of running deliveries that the call settled.
   */
  use(claim: Claim | undefined, ended?: number): Round;
}

/** The second step of the pipeline. */
export interface Forwarder {
  /** Claims due deliveries and starts them. */
  round(): Promise<Round>;
  /**
   * Reserves the free places for a call that also claims; undefined if there are too few, or nothing may be
   * claimed.
   */
  places(): Promise<Places | undefined>;
}

/** A message or another event. */
type Claimed = ClaimedDelivery | ClaimedEvent;

const NO_REPLIES = { replies: [], leftOut: [] };
/** A reply as `settle_deliveries` takes it. */
export interface Reply {
  /** In the channel's shape, without recipient. */
  message: Outbound;
  /** The recipient. */
  to: string;
  /** Its text, for people who read the conversation. */
  text?: string;
  /** Its position in the service's response, from 1. */
  place: number;
  /** The trace that it continues, if the message had one. */
  traceparent?: string;
}

/** One attempt, as `settle_deliveries` takes it. */
interface Settlement {
  delivery_id: string;
  lease: string;
  /** put_back: the service was not called, so it does not count as an attempt. */
  outcome: "delivered" | "retry" | "dead" | "put_back";
  status?: number;
  latency_ms: number;
  error?: string;
  answer?: string;
  /** The id that a mail got from its provider. */
  provider_id?: string;
  retry_after_ms?: number;
  replies?: Reply[];
  left_out?: LeftOut[];
  /** False: the service asked for this wait, so another delivery's success does not make it due earlier. */
  wakes?: false;
  /** The destination must be paused. */
  pause?: true;
}

/** Dependencies of {@linkcode createForwarder}. */
export interface ForwarderDeps {
  rpc: Rpc;
  /** Receives each delivery that continues after the call that claimed it. */
  track: Track;
  /** Names of the channels that may be routed now, see `routedChannels` in routed_channels.ts. */
  routed(): Promise<readonly string[]>;
  world(): Promise<DeliveryDeps>;
  /** The file of a message with an address to fetch it; undefined if it has none. */
  mediaOf?(message: ClaimedDelivery["message"]): Promise<EventMedia | undefined>;
  /** Delivers to a destination that is not called over HTTP. */
  deliverByKind: DeliverByKind;
  /** What a destination gets that takes the provider's own webhooks. */
  ownWebhookOf: OwnWebhookOf;
  /** Checks a service's replies to a contact; leaves out and reports those that cannot be sent. */
  checkReplies(
    replies: readonly Record<string, unknown>[],
    to: { channel: string; identities: Record<string, string> },
    deliveryId: string,
  ): { replies: Reply[]; leftOut: LeftOut[] };
  /** Called if none of a service's replies is used, with the reason. */
  onIgnored(why: string, deliveryId: string): void;
  /** Called for each response with unused replies, with a one-word reason. */
  onLostReplies?(destination: string, why: string): void;
  /** Called after each group is settled. */
  onSettled(outcomes: { outcome: string; destination: string; latency_ms: number }[], replies: number): void;
  /**
   * Called at the first attempt, with the milliseconds since the message was received, measured by two
   * clocks.
   */
  onCalled?(waitedMs: number): void;
  /** Called after each attempt with the outcome for the author of the message. */
  onOutcome?(
    contactId: string,
    outcome: { failed: boolean; latencyMs: number },
    channel: string,
  ): void;
  /** Called when deliveries can start again, or still can. */
  onRoom?(): void;
  onError(message: string, error: unknown): void;
  now(): Date;
  random(): number;
  /** Once aborted, nothing more is claimed, and claimed deliveries that have not started are put back. */
  ending?: AbortSignal;
}

/** Creates a {@linkcode Forwarder}. */
export function createForwarder(deps: ForwarderDeps): Forwarder {
  const busy = new Map<string, number>();
  let underWay = 0;
  /** Number of places reserved for running calls. */
  let held = 0;
  let expiredAt = -Infinity;
  /** Whether a round found all places reserved: nobody else would start it again. */
  let turnedAway = false;
  /** Number of settlements that the database is writing, and when the last of them began. */
  let settling = 0;
  let settlesSince = -Infinity;
  /** Whether the settlement that ended last failed. */
  let failed = false;
  /** Whether a round waits for their end. A settlement that starts meanwhile claims what the round would. */
  let postponed = false;

  const settle = groupCommit<Settlement & { destination: string; destination_id: string }, Round | void>({
    maxItems: 256,
    maxQueued: 4096,
    inFlight: 2,
    worthBeside: 32,
    commit: async (items) => {
      // Into the places that are freed with it and half of the others; the rest is for what is decided meanwhile.
      // Failure policy: where nothing can be claimed, what has happened is written down all the same. Nor is anything
      // claimed after a failure: the claim may be its cause, and if only the answer was lost, each repetition would lease
      // deliveries that nobody makes.
      const next = failed ? undefined : await hold(items.length + half(), items).catch(() => undefined);
      const p_claim = next && { ...next.claim, expired: isTimeForExpired() };
      let settled: Result<"settle_deliveries"> | undefined;
      let round: Round | void = undefined;
      settling++;
      settlesSince = deps.now().getTime();
      if (next !== undefined) postponed = false;
      try {
        settled = await deps.rpc("settle_deliveries", {
          p_results: items.map(({ destination: _, destination_id: __, ...settlement }) => settlement),
          ...(p_claim === undefined ? {} : { p_claim }),
        });
      } finally {
        settling--;
        failed = settled === undefined;
        if (next !== undefined) round = next.use(settled?.claim, items.length);
        if (settling === 0 && postponed) {
          postponed = false;
          // In the next turn of the event loop, when what waited for the end of this settlement is in another one.
          startRound(new Promise((resolve) => setTimeout(resolve)));
        }
      }
      const { replies, left_out } = settled;
      for (const { delivery_id, replies } of left_out) {
        for (const { why } of replies) deps.onIgnored(why, delivery_id);
      }
      deps.onSettled(items, replies);
      return items.map(() => settled?.claim === undefined ? undefined : round);
    },
  });

  const free = () => CONCURRENCY - underWay - held;
  /** Most places that a claim of waiting deliveries may reserve: the other half is for new decisions. */
  const half = () => Math.ceil(free() / 2);

  function isTimeForExpired(): boolean {
    const now = deps.now().getTime();
    if (now - expiredAt < EXPIRED_EVERY_MS) return false;
    expiredAt = now;
    return true;
  }

  /**
   * @param most Most places to reserve.
   * @param freed Running deliveries whose places will be free after the call.
   */
  async function hold(
    most: number,
    freed: readonly { destination_id: string }[] = [],
  ): Promise<Places | undefined> {
    const channels = await deps.routed();
    const world = await deps.world();
    const limit = Math.min(free() + freed.length, most);
    const least = freed.length > 0 ? 1 : WORTH_A_CLAIM;
    if (limit < least || channels.length === 0 || deps.ending?.aborted) {
      return undefined;
    }
    held += limit;
    const others = new Map(busy);
    for (const { destination_id } of freed) others.set(destination_id, others.get(destination_id)! - 1);
    return {
      claim: {
        limit,
        free: CONCURRENCY - underWay + freed.length,
        lease_seconds: LEASE_SECONDS,
        busy: Object.fromEntries(others),
        channels,
      },
      use: (claim, ended = 0) => {
        held -= limit;
        const round = claim === undefined ? { more: false } : start(claim, ended, world);
        tellRoom();
        return round;
      },
    };
  }

  function start(claim: Claim, ended: number, world: DeliveryDeps): Round {
    const destinations = new Map(claim.destinations.map((destination) => [destination.id, destination]));
    if (deps.ending?.aborted) {
      deps.track(allBack([...claim.deliveries, ...claim.events ?? []], destinations));
      return { more: false };
    }
    for (const claimed of [...claim.deliveries, ...claim.events ?? []]) {
      occupy(claimed.destination_id, 1);
      deps.track(attempt(claimed, destinations.get(claimed.destination_id)!, world));
    }
    return claim.next_due_ms === undefined ? { more: false } : roundOf(claim.next_due_ms, underWay > ended);
  }

  async function allBack(
    deliveries: readonly Claimed[],
    destinations: ReadonlyMap<string, ClaimedDestination>,
  ): Promise<Round> {
    const back = await Promise.allSettled(
      deliveries.map((claimed) => putBack(claimed, destinations.get(claimed.destination_id)!)),
    );
    const failed = back.find((result) => result.status === "rejected");
    // Their leases end by themselves.
    if (failed !== undefined) deps.onError("what was claimed could not be put back", failed.reason);
    return { more: false };
  }

  async function attempt(
    claimed: Claimed,
    destination: ClaimedDestination,
    world: DeliveryDeps,
  ): Promise<Round | void> {
    if ("event" in claimed) return await attemptEvent(claimed, destination, world);
    try {
      const waitedMs = deps.now().getTime() - Date.parse(claimed.message.created_at);
      const traceparent = traceparentFor(claimed.message.id, claimed.delivery_id, claimed.traceparent);
      const result = destination.kind === "http"
        ? await call(claimed, destination, world, traceparent)
        : await deps.deliverByKind(
          claimed,
          destination,
          claimed.traceparent == null ? undefined : traceparent,
        );
      if (result.error === "platform_limit") {
        return await putBack(claimed, destination, result.retryAfterMs);
      }
      if (claimed.attempt === 1) deps.onCalled?.(waitedMs);
      const outcome = { failed: !result.ok, latencyMs: result.latencyMs };
      deps.onOutcome?.(claimed.contact.id, outcome, claimed.message.channel);
      if (result.repliesIgnored !== undefined) deps.onIgnored(result.repliesIgnored, claimed.delivery_id);
      const found = result.replies?.length ?? 0;
      const { replies, leftOut } = result.replies === undefined ? NO_REPLIES : deps.checkReplies(
        result.replies,
        { channel: claimed.message.channel, identities: claimed.contact.identities },
        claimed.delivery_id,
      );
      const lost = result.repliesIgnored ?? (replies.length < found ? "refused" : undefined);
      if (lost !== undefined) deps.onLostReplies?.(destination.name, lost);
      if (claimed.traceparent != null) { for (const reply of replies) reply.traceparent = traceparent; }
      const settled = {
        ...settlement(claimed, destination, result, replies, leftOut),
        destination: destination.name,
        destination_id: destination.id,
      };
      return await retrySettlement(() => settle(settled), SETTLE_MS);
    } catch (error) {
      // The lease ends by itself and the delivery is made again under the same webhook-id.
      deps.onError("a delivery could not be settled", error);
    } finally {
      occupy(destination.id, -1);
    }
  }

  /** An event that is no message: nobody waits for it, and nothing in the response is an answer to a person. */
  async function attemptEvent(
    claimed: ClaimedEvent,
    destination: ClaimedDestination,
    world: DeliveryDeps,
  ): Promise<Round | void> {
    try {
      const result = await call(claimed, destination, world, undefined);
      if (result.error === "platform_limit") {
        return await putBack(claimed, destination, result.retryAfterMs);
      }
      const { failure_policy } = destination;
      const aside = { ...destination, failure_policy: asideOf(failure_policy) };
      const { replies: _, repliesIgnored: __, ...answered } = result;
      const settled = {
        ...settlement(claimed, aside, answered, [], []),
        destination: destination.name,
        destination_id: destination.id,
      };
      return await retrySettlement(() => settle(settled), SETTLE_MS);
    } catch (error) {
      // The lease ends by itself and the delivery is made again under the same webhook-id.
      deps.onError("a delivery could not be settled", error);
    } finally {
      occupy(destination.id, -1);
    }
  }

  async function call(
    claimed: Claimed,
    { id, url, secrets, headers, timeout_ms: timeoutMs, format }: ClaimedDestination,
    world: DeliveryDeps,
    traceparent: string | undefined,
  ): Promise<DeliveryResult> {
    const own = format === "meta" ? deps.ownWebhookOf(claimed) : undefined;
    if (own !== undefined && "why" in own) {
      return { ok: false, error: "unsendable", final: true, detail: own.why, latencyMs: 0 };
    }
    // Meta's own body has Meta's id of the file; an event that is no message has none.
    const media = own !== undefined || "event" in claimed ? undefined : await deps.mediaOf?.(claimed.message);
    return await deliver(world, {
      id: claimed.delivery_id,
      // One without an address is refused by the allowlist.
      url: url ?? "",
      secrets,
      headers,
      destinationId: id,
      timeoutMs,
      event: own?.body ?? ("event" in claimed ? serviceEventOf(claimed) : messageEventOf(claimed, media)),
      headersOf: own?.headersOf,
      traceparent,
    });
  }

  function putBack(
    { delivery_id, lease }: Claimed,
    { name: destination, id: destination_id }: ClaimedDestination,
    retry_after_ms = 0,
  ): Promise<Round | void> {
    const back = { delivery_id, lease, outcome: "put_back" as const, latency_ms: 0, retry_after_ms };
    return retrySettlement(() => settle({ ...back, destination, destination_id }), SETTLE_MS);
  }

  function occupy(destination: string, by: 1 | -1): void {
    underWay += by;
    const now = (busy.get(destination) ?? 0) + by;
    if (now === 0) busy.delete(destination);
    else busy.set(destination, now);
    if (by < 0) tellRoom();
  }

  function tellRoom(): void {
    if (half() < WORTH_A_CLAIM) return;
    deps.onRoom?.();
    if (!turnedAway) return;
    turnedAway = false;
    startRound();
  }

  /** The end of such work starts a round. */
  function startRound(when = Promise.resolve()): void {
    deps.track(when);
  }

  function settlement(
    { delivery_id, lease, attempt }: Claimed,
    { retry_seconds, failure_policy }: ClaimedDestination,
    result: DeliveryResult,
    replies: Reply[],
    leftOut: LeftOut[],
  ): Settlement {
    const base = {
      delivery_id,
      lease,
      latency_ms: result.latencyMs,
      ...(result.status === undefined ? {} : { status: result.status }),
      ...(result.answer === undefined ? {} : { answer: result.answer }),
    };
    const ignored = result.repliesIgnored === undefined ? leftOut : [{ why: result.repliesIgnored }];
    if (result.ok) {
      return {
        ...base,
        outcome: "delivered",
        ...(result.providerId === undefined ? {} : { provider_id: result.providerId }),
        ...(result.repliesIgnored === undefined
          ? {}
          : { error: `replies not used: ${result.repliesIgnored}` }),
        ...(replies.length > 0 ? { replies } : {}),
        ...(ignored.length > 0 ? { left_out: ignored } : {}),
      };
    }
    if (result.error === "unknown_outcome" || result.final) {
      return { ...base, error: `${result.error}: ${result.detail}`, outcome: "dead" };
    }
    const after = next(attempt, result, deps.random(), retry_seconds ?? SCHEDULE, failure_policy);
    // "status" and "redirect" alone would leave open which.
    const word = result.error === "status" || result.error === "redirect"
      ? `${result.error} ${result.status}`
      : `${result.error}`;
    const error = result.detail === undefined ? word : `${word}: ${result.detail}`;
    return after.outcome === "retry"
      ? {
        ...base,
        error,
        outcome: "retry",
        retry_after_ms: after.afterMs,
        ...(result.retryAfterMs === undefined ? {} : { wakes: false }),
        ...(after.pause ? { pause: true } : {}),
      }
      : { ...base, error: `${error} (${after.why})`, outcome: "dead" };
  }

  return {
    places: () => hold(CONCURRENCY),
    round: async () => {
      if (settling > 0 && deps.now().getTime() - settlesSince < PATIENCE_MS) {
        postponed = true;
        return { more: false, nextDueMs: PATIENCE_MS };
      }
      const places = await hold(half());
      if (places === undefined) {
        turnedAway = half() < WORTH_A_CLAIM;
        return { more: false };
      }
      const { limit, lease_seconds, busy, channels } = places.claim;
      let claim: Claim | undefined;
      let round: Round = { more: false };
      try {
        claim = await deps.rpc("claim_deliveries", {
          p_limit: limit,
          p_lease_seconds: lease_seconds,
          p_busy: busy,
          p_channels: channels,
        });
      } finally {
        round = places.use(claim);
      }
      return round;
    },
  };
}
