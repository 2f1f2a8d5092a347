/**
 * The outbound queue: sends the messages that the database releases now, within the pace of pair and number,
 * to the provider.
 *
 * @module
 */
import type { FailureScope } from "../channels/channel.ts";
import type { ClaimedMessage } from "../contract/answers/pipeline.ts";
import type { Rpc } from "../db/client.ts";
import { groupCommit } from "../db/group_commit.ts";
import { retrySettlement } from "./retry.ts";
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

/** A round that claims sendable messages and sends them. */
export function createSender(deps: SenderDeps): (track: Track) => Promise<Round> {
  /** Number of messages in flight, by channel. */
  const busy = new Map<string, number>();
  let underWay = 0;

  const settle = groupCommit<SendOutcome & { id: string; lease: string }, null>({
    maxItems: 256,
    maxQueued: 4096,
    commit: async (items) => {
      const { told } = await deps.rpc("settle_outbound", { p_results: items });
      deps.onSettled(items, told === true);
      return items.map(() => null);
    },
  });

  async function attempt(message: ClaimedMessage): Promise<void> {
    try {
      const settled = { id: message.id, lease: message.lease, ...await deps.send(message) };
      await retrySettlement(() => settle(settled), SETTLE_MS);
    } catch (error) {
      // The lease ends by itself. It is sent again then, unless a status has told meanwhile that it went.
      deps.onError("an outbound message could not be settled", error);
    } finally {
      occupy(message.channel, -1);
    }
  }

  function occupy(channel: string, by: 1 | -1): void {
    underWay += by;
    const now = (busy.get(channel) ?? 0) + by;
    if (now === 0) busy.delete(channel);
    else busy.set(channel, now);
  }

  return async (track) => {
    const channels = await deps.channels();
    const free = (channels.length > 1 ? SHARED_PLACES : PLACES) - underWay;
    if (channels.length === 0 || free <= 0 || deps.ending?.aborted) return { more: false };
    const claim = await deps.rpc(
      "claim_outbound",
      {
        p_limit: free,
        p_lease_seconds: LEASE_SECONDS,
        p_busy: Object.fromEntries(busy),
        p_channels: channels,
      },
    );
    if (deps.ending?.aborted) {
      const back = await Promise.allSettled(
        claim.messages.map(({ id, lease }) =>
          retrySettlement(() => settle({ id, lease, ...putBack() }), SETTLE_MS)
        ),
      );
      const failed = back.find((result) => result.status === "rejected");
      // Their leases end by themselves.
      if (failed !== undefined) deps.onError("what was claimed could not be put back", failed.reason);
      return { more: false };
    }
    for (const message of claim.messages) {
      occupy(message.channel, 1);
      track(attempt(message));
    }
    return roundOf(claim.next_due_ms, underWay > 0);
  };
}
