/**
 * The outbound queue: sends the messages that the database releases now, within the pace of pair and number,
 * to the provider.
 *
 * @module
 */
import type { FailureScope } from "../channels/channel.ts";
import type { ClaimedMessage, OutboundClaim } from "../contract/answers/pipeline.ts";
import type { Result } from "../contract/sql.ts";
import type { Rpc } from "../db/client.ts";
import { groupCommit } from "../db/group_commit.ts";
import { REAL_TIME, retrySettlement, type Time } from "./retry.ts";
import { type Round, roundOf, type Track } from "./pump.ts";

/** Most concurrent messages of an isolate with one channel. */
const PLACES = 32;
/**
 * The limit with several channels. One channel takes at most half, so that it has as many as alone and the
 * others find some.
 */
const SHARED_PLACES = 2 * PLACES;
/** Longer than the time limit of the provider's response (15 s). */
const LEASE_SECONDS = 60;
/** How long a settlement is retried while the database is unavailable: within the lease. */
const SETTLE_MS = 35_000;
/**
 * How long after a call the next one gathers, in milliseconds: a call for one message costs the database
 * nearly as much as one for ten.
 */
const GATHER_MS = 20;
/** How long a round waits for a settlement, which claims as well, in milliseconds: a database may be held up. */
const PATIENCE_MS = 250;

/** Result of sending, as `settle_outbound` takes it. */
export type SendOutcome =
  | {
    outcome: "sent";
    provider_id: string | null;
    /** The provider's ids of the person. */
    identities?: readonly { readonly kind: string; readonly value?: string }[];
  }
  | {
    outcome: "retry";
    error: unknown;
    retry_after_ms: number;
    /** Why it does not count as an attempt; back: the provider was not called. */
    put_off?: "throttle" | "held" | "back";
    /** What the delay applies to. */
    scope?: FailureScope;
  }
  | { outcome: "failed"; error: unknown }
  /** Nobody knows whether it went: it is not sent again until a report or a person says so. */
  | { outcome: "unknown"; error: unknown };

/** Dependencies of {@linkcode createSender}. */
export interface SenderDeps {
  rpc: Rpc;
  /** Receives each message that continues after the call that claimed it. */
  track: Track;
  /** Names of the channels that may send now: switched on, and with credentials. */
  channels(): Promise<readonly string[]>;
  /** Sends one message; never throws. */
  send(message: ClaimedMessage): Promise<SendOutcome>;
  onSettled(outcomes: SendOutcome[], told: boolean): void;
  onError(message: string, error: unknown): void;
  /** Once aborted, nothing more is claimed, and claimed messages that have not been sent are put back. */
  ending?: AbortSignal;
}

/** The outcome of a claimed message for which the provider was not called. */
export function putBack(retry_after_ms = 0): SendOutcome {
  return { outcome: "retry", put_off: "back", error: null, retry_after_ms };
}

/** Places of the sender that are reserved for a call that claims. */
interface Places {
  readonly claim: {
    limit: number;
    /**
     * All free places, of which the call may fill `limit`: the places left by other channels decide how many
     * one channel gets.
     */
    free: number;
    lease_seconds: number;
    busy: Record<string, number>;
    channels: readonly string[];
  };
  /**
   * Starts the claimed messages and releases the unused places. Call it once, even if the call failed.
   * @param ended Number of messages under way that the call settled.
   */
  use(claim: OutboundClaim | undefined, ended?: number): Round;
}

/** A message as `settle_outbound` takes it, with the channel whose place it frees. */
type Settlement = SendOutcome & { id: string; lease: string; channel: string };

/**
 * A round that claims sendable messages and sends them. While messages are under way, the calls that settle
 * them claim the next ones; rounds are for the rest.
 */
export function createSender(deps: SenderDeps, time: Time = REAL_TIME): () => Promise<Round> {
  /** Number of messages in flight, by channel. */
  const busy = new Map<string, number>();
  let underWay = 0;
  /** Number of places reserved for running calls. */
  let held = 0;
  /** When the last call began. */
  let calledAt = -Infinity;
  /** Resolves when outcomes have been gathered for long enough. */
  let gathering: Promise<void> | undefined;
  let settling = false;
  /** Whether the last settlement failed. */
  let failed = false;
  /** Whether a round waits for the settlement. One that starts meanwhile claims what the round would. */
  let postponed = false;

  const settle = groupCommit<Settlement, Round | void>({
    maxItems: 256,
    maxQueued: 4096,
    commit: async (items) => {
      settling = true;
      calledAt = time.now();
      // Failure policy: where nothing can be claimed, what has happened is written down all the same. Nor is anything
      // claimed after a failure: the claim may be its cause, and if only the answer was lost, each repetition
      // would lease messages that nobody sends.
      const next = failed ? undefined : await hold(items).catch(() => undefined);
      let settled: Result<"settle_outbound"> | undefined;
      let round: Round | void = undefined;
      if (next !== undefined) postponed = false;
      try {
        settled = await deps.rpc("settle_outbound", {
          p_results: items.map(({ channel: _, ...result }) => result),
          ...(next === undefined ? {} : { p_claim: next.claim }),
        });
      } finally {
        settling = false;
        failed = settled === undefined;
        if (next !== undefined) round = next.use(settled?.claim, items.length);
        if (postponed) {
          postponed = false;
          // In the next turn of the event loop, when what waited for the end of this settlement is in another one.
          deps.track(new Promise((resolve) => setTimeout(resolve)));
        }
      }
      deps.onSettled(items, settled.told === true);
      return items.map(() => settled?.claim === undefined ? undefined : round);
    },
  });

  /** Milliseconds until the next call may be made while others gather for it. */
  const rest = () => deps.ending?.aborted ? 0 : Math.max(0, calledAt + GATHER_MS - time.now());

  /** Resolves once outcomes have been gathered: at once, unless the last call has just begun. */
  function gathered(): Promise<void> {
    if (gathering !== undefined) return gathering;
    const ms = rest();
    if (ms === 0) return Promise.resolve();
    return gathering = time.wait(ms).then(() => {
      gathering = undefined;
    });
  }

  /**
   * Reserves the free places for a round; for a settlement those that it frees and half of the others, so that
   * a round finds some while the database holds it up.
   * @param freed Messages under way whose places will be free after the call.
   */
  async function hold(freed: readonly { channel: string }[] = []): Promise<Places | undefined> {
    const channels = await deps.channels();
    const free = (channels.length > 1 ? SHARED_PLACES : PLACES) - underWay - held;
    const limit = freed.length + (freed.length > 0 && free > 0 ? Math.ceil(free / 2) : free);
    if (channels.length === 0 || limit <= 0 || deps.ending?.aborted) return undefined;
    held += limit;
    const others = new Map(busy);
    for (const { channel } of freed) others.set(channel, (others.get(channel) ?? 0) - 1);
    return {
      claim: {
        limit,
        free: freed.length + free,
        lease_seconds: LEASE_SECONDS,
        busy: Object.fromEntries([...others].filter(([, n]) => n > 0)),
        channels,
      },
      use: (claim, ended = 0) => {
        held -= limit;
        return claim === undefined ? { more: false } : start(claim, ended);
      },
    };
  }

  function start({ messages, next_due_ms }: OutboundClaim, ended: number): Round {
    if (deps.ending?.aborted) {
      deps.track(allBack(messages));
      return { more: false };
    }
    for (const message of messages) {
      occupy(message.channel, 1);
      deps.track(attempt(message));
    }
    return roundOf(next_due_ms, underWay > ended);
  }

  async function allBack(messages: readonly ClaimedMessage[]): Promise<Round> {
    const back = await Promise.allSettled(
      messages.map(({ id, lease, channel }) =>
        retrySettlement(() => settle({ id, lease, channel, ...putBack() }), SETTLE_MS, time)
      ),
    );
    const failed = back.find((result) => result.status === "rejected");
    // Their leases end by themselves.
    if (failed !== undefined) deps.onError("what was claimed could not be put back", failed.reason);
    return { more: false };
  }

  async function attempt(message: ClaimedMessage): Promise<Round | void> {
    const { id, lease, channel } = message;
    try {
      const settled = { id, lease, channel, ...await deps.send(message) };
      await gathered();
      return await retrySettlement(() => settle(settled), SETTLE_MS, time);
    } catch (error) {
      // The lease ends by itself. It is sent again then, unless a status has told meanwhile that it went.
      deps.onError("an outbound message could not be settled", error);
    } finally {
      occupy(channel, -1);
    }
  }

  function occupy(channel: string, by: 1 | -1): void {
    underWay += by;
    const now = (busy.get(channel) ?? 0) + by;
    if (now === 0) busy.delete(channel);
    else busy.set(channel, now);
  }

  return async () => {
    if ((settling || gathering !== undefined) && time.now() - calledAt < PATIENCE_MS) {
      postponed = true;
      return { more: false, nextDueMs: PATIENCE_MS };
    }
    // What is under way ends in a settlement. Nobody waits where nothing is.
    const ms = underWay > 0 ? rest() : 0;
    if (ms > 0) return { more: false, nextDueMs: ms };
    const places = await hold();
    if (places === undefined) return { more: false };
    calledAt = time.now();
    let claim: OutboundClaim | undefined;
    let round: Round = { more: false };
    try {
      const { limit, lease_seconds, busy, channels } = places.claim;
      claim = await deps.rpc("claim_outbound", {
        p_limit: limit,
        p_lease_seconds: lease_seconds,
        p_busy: busy,
        p_channels: channels,
      });
    } finally {
      round = places.use(claim);
    }
    return round;
  };
}
