/**
 * Writes the updates of webhooks to the database, in groups. Each webhook gets its own result.
 *
 * @module
 */
import type { Rpc } from "../db/client.ts";
import { count as countShared, type Counters } from "../db/counters.ts";
import { measure } from "../db/measurements.ts";
import { groupCommit } from "../db/group_commit.ts";
import type { InboundUpdate, SenderAccount, WebhookChannel } from "../channels/channel.ts";

/** The content of one webhook. */
export interface Delivery {
  readonly updates: InboundUpdate[];
  /** Accounts of senders that it mentions. */
  readonly accounts?: readonly SenderAccount[];
  /** Size of its body. */
  readonly bytes: number;
}

/**
 * Stores the updates of one webhook and resolves after the commit, with one character per update, in order:
 * `s` stored, `d` duplicate.
 *
 * Rejects with `Problem` `database_unavailable` or `overloaded`, or with the database's refusal. In that case
 * nothing is stored: a webhook is stored as a whole or not at all.
 */
export type Ingest = (delivery: Delivery) => Promise<string>;

/** Limits of a group and of the queue; the defaults suit a worker with 256 MB. */
export interface IngestOptions {
  /** Most updates in a group; a larger webhook is stored alone. @default {512} */
  maxUpdates?: number;
  /** Most bytes of bodies in a group. @default {4 MiB} */
  maxBytes?: number;
  /** Most waiting webhooks; others are answered 503, and the provider sends them again. @default {5000} */
  maxQueued?: number;
  /** Most bytes of waiting bodies. @default {48 MiB} */
  maxQueuedBytes?: number;
  /** Groups in flight at once. @default {2} */
  inFlight?: number;
  /**
   * Called with how many updates of which field were stored or seen before. @default {this process's
   * counters}
   */
  count?: Counters["count"];
  /**
   * Called when messages that waited for a status may be sent. Statuses are many, and few of them release
   * one.
   */
  freed?(): void;
  /** Called when events for services were queued. */
  told?(): void;
  /**
   * Called with channel and code of each sent message that failed, according to a status. @default {this
   * process's measurements}
   */
  failed?(label: string): void;
}

/**
 * Measured with 64 connections on two cores: while the database processes one group, this isolate prepares
 * the next. A single group in flight leaves one of them idle; two small ones cost the database more than they
 * gain.
 */
const WORTH_BESIDE = 24;

const NONE: readonly SenderAccount[] = [];

/** Creates an {@linkcode Ingest} for a channel's webhooks, which calls `ingest_updates` through `rpc`. */
export function createIngest(
  rpc: Rpc,
  { fields }: Pick<WebhookChannel, "fields">,
  options: IngestOptions = {},
): Ingest {
  const {
    maxUpdates = 512,
    maxBytes = 4 << 20,
    maxQueued = 5000,
    maxQueuedBytes = 48 << 20,
    inFlight = 2,
    count = countShared,
    freed,
    told: toldServices,
    failed = (label) => measure("failed", label, 0),
  } = options;
  // One measure for both limits: an update weighs at least its share of a full group.
  const weight = Math.ceil(maxBytes / maxUpdates);

  /** Accounts already stored, by channel and sender: once per isolate, because they hardly ever change. */
  const told = new Map<string, string>();

  /**
   * Failure policy: open. An account that is not stored now is stored with the next webhook; nothing waits
   * for it.
   */
  async function tell(deliveries: readonly Delivery[]): Promise<void> {
    const unknown = new Map<string, SenderAccount>();
    for (const { accounts } of deliveries) {
      for (const each of accounts ?? NONE) {
        const key = `${each.channel} ${each.id}`;
        if (told.get(key) !== each.account) unknown.set(key, each);
      }
    }
    if (unknown.size === 0) return;
    try {
      await rpc("tell_accounts", { p_senders: [...unknown.values()] });
      for (const [key, { account }] of unknown) told.set(key, account);
    } catch {
      count("accounts_untold", "", unknown.size);
    }
  }

  async function commit(deliveries: Delivery[]): Promise<string[]> {
    const updates = deliveries.length === 1
      ? deliveries[0].updates
      : deliveries.flatMap((delivery) => delivery.updates);
    const stored = await rpc("ingest_updates", { p_updates: updates });
    const { outcomes } = stored;
    if (outcomes.length !== updates.length) {
      throw new TypeError(`ingest_updates gave ${outcomes.length} outcomes for ${updates.length} updates`);
    }
    if (stored.freed) freed?.();
    if (stored.told) toldServices?.();
    await tell(deliveries);
    tally(updates, outcomes, fields, count);
    for (let i = 0; i < updates.length; i++) {
      const { channel, failure } = updates[i];
      if (failure !== undefined && outcomes[i] === "s") failed(`${channel} ${failure}`);
    }
    let from = 0;
    return deliveries.map((delivery) => outcomes.slice(from, from += delivery.updates.length));
  }

  return groupCommit({
    commit,
    maxItems: maxUpdates,
    maxQueued,
    inFlight,
    worthBeside: WORTH_BESIDE,
    // The largest, a history of short messages, would else only find room in an empty queue.
    size: (delivery) =>
      Math.max(delivery.bytes, Math.min(delivery.updates.length * weight, maxQueuedBytes / 2)),
    maxBytes,
    maxQueuedBytes,
  });
}

/**
 * Counts a group under `webhook_results` by field and result. Done here because SQL has enough work, and by
 * runs of equal values, because nearly all groups are one run.
 */
function tally(
  updates: readonly InboundUpdate[],
  outcomes: string,
  fields: ReadonlySet<string>,
  count: Counters["count"],
): void {
  let from = 0;
  for (let i = 1; i <= updates.length; i++) {
    const { field } = updates[from];
    if (i < updates.length && updates[i].field === field && outcomes[i] === outcomes[from]) continue;
    // What is not documented may have any number of names, and each label stays for good.
    const label = fields.has(field) ? field : "other";
    count("webhook_results", `${label} ${outcomes[from] === "s" ? "stored" : "duplicate"}`, i - from);
    from = i;
  }
}
