/**
 * The way of a webhook's updates into the database: in groups, each webhook answered for itself.
 *
 * @module
 */
import type { Rpc } from "../db/client.ts";
import { count as countShared, type Counters } from "../db/counters.ts";
import { measure } from "../db/measurements.ts";
import { groupCommit } from "../db/group_commit.ts";
import type { Channel, InboundUpdate, SenderAccount } from "../channels/channel.ts";

/** What one webhook told. */
export interface Delivery {
  readonly updates: InboundUpdate[];
  /** Accounts of senders that it told. */
  readonly accounts?: readonly SenderAccount[];
  /** Size of the body that they came in. */
  readonly bytes: number;
}

/**
 * Stores the updates of one webhook and resolves after the commit, with one character an update in their
 * order: `s` stored, `d` duplicate.
 *
 * Rejects with `Problem` `database_unavailable` or `overloaded`, or with what the database refused them for.
 * Nothing is stored then; a webhook is stored whole or not at all.
 */
export type Ingest = (delivery: Delivery) => Promise<string>;

/** Limits of a group and of the queue; the defaults suit a worker with 256 MB. */
export interface IngestOptions {
  /** Updates of a group; a webhook that holds more goes alone. @default {512} */
  maxUpdates?: number;
  /** Bytes of bodies in a group. @default {4 MiB} */
  maxBytes?: number;
  /** Webhooks that wait; further ones are answered 503, and the provider sends them again. @default {5000} */
  maxQueued?: number;
  /** Bytes of bodies that wait. @default {48 MiB} */
  maxQueuedBytes?: number;
  /** Groups under way at once. @default {2} */
  inFlight?: number;
  /** Told how many of which field were stored or seen before. @default {this process's counters} */
  count?: Counters["count"];
  /** Told that messages of ours may go that waited for a status. Statuses are many, and few of them let one go. */
  freed?(): void;
  /** Told channel and code of each message of ours that failed, as a status says. @default {this process's measurements} */
  failed?(label: string): void;
}

/**
 * Measured with 64 connections on two cores: while the database works on one group, this isolate makes the next. Alone,
 * a group leaves one of the two idle; two small ones cost the database more than they gain.
 */
const WORTH_BESIDE = 24;

const NONE: readonly SenderAccount[] = [];

/** An {@linkcode Ingest} for the webhooks of a channel, that calls `ingest_updates` through `rpc`. */
export function createIngest(
  rpc: Rpc,
  { fields }: Pick<Channel, "fields">,
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
    failed = (label) => measure("failed", label, 0),
  } = options;
  // One measure for both limits: an update weighs at least its share of a full group.
  const weight = Math.ceil(maxBytes / maxUpdates);

  /** What the database was told, by channel and sender: once an isolate, for it hardly ever changes. */
  const told = new Map<string, string>();

  /** Failure policy: open. What is not told now is told with the next webhook; nothing waits for it. */
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
    size: (delivery) => Math.max(delivery.bytes, delivery.updates.length * weight),
    maxBytes,
    maxQueuedBytes,
  });
}

/**
 * Counts a group under `webhook_results` by field and result. Here and not in SQL, which has enough to do; and by runs
 * of equal ones, for nearly all groups are one.
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
