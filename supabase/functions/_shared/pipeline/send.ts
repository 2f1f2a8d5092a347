/**
 * The outbound queue: what the database lets go now, within the pace of pair and number, goes to the provider.
 *
 * @module
 */
import type { FailureScope } from "../channels/channel.ts";
import type { ClaimedMessage } from "../contract/answers/pipeline.ts";
import type { Rpc } from "../db/client.ts";
import { groupCommit } from "../db/group_commit.ts";
import { retrySettlement } from "./retry.ts";
import { type Round, roundOf, type Track } from "./pump.ts";

/** Messages under way at once in one isolate that has one channel. */
const PLACES = 32;
/** With several: one of them takes half at most, so that it has what it would have alone, and the others find some. */
const SHARED_PLACES = 2 * PLACES;
/** Longer than the provider is waited for (15 s). */
const LEASE_SECONDS = 60;
/** How long a settlement is tried when the database is away: within the lease. */
const SETTLE_MS = 35_000;

/** What became of it, as `settle_outbound` takes it. */
export type SendOutcome =
  | {
    outcome: "sent";
    provider_id: string | null;
    /** How the provider knows the person. */
    identities?: readonly { readonly kind: string; readonly value?: string }[];
  }
  | {
    outcome: "retry";
    error: unknown;
    retry_after_ms: number;
    /** Why it is no attempt of the message's; back: the provider was not called. */
    put_off?: "throttle" | "held" | "back";
    /** Whom that is about. */
    scope?: FailureScope;
  }
  | { outcome: "failed"; error: unknown };

/** What {@linkcode createSender} needs. */
export interface SenderDeps {
  rpc: Rpc;
  /** Names of the channels that may send now: switched on, and with their credentials. */
  channels(): Promise<readonly string[]>;
  /** Sends one message; never throws. */
  send(message: ClaimedMessage): Promise<SendOutcome>;
  onSettled(outcomes: SendOutcome[]): void;
  onError(message: string, error: unknown): void;
  /** Once aborted nothing is claimed any more, and what was claimed and not begun is put back. */
  ending?: AbortSignal;
}

/** The outcome of a message that was claimed and that the provider was not called with. */
export function putBack(retry_after_ms = 0): SendOutcome {
  return { outcome: "retry", put_off: "back", error: null, retry_after_ms };
}

/** A round that claims what may go now and sends it. */
export function createSender(deps: SenderDeps): (track: Track) => Promise<Round> {
  /** Under way, by channel. */
  const busy = new Map<string, number>();
  let underWay = 0;

  const settle = groupCommit<SendOutcome & { id: string; lease: string }, null>({
    maxItems: 256,
    maxQueued: 4096,
    commit: async (items) => {
      await deps.rpc("settle_outbound", { p_results: items });
      deps.onSettled(items);
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
