/**
 * Group commit: concurrent writes of one process travel as one call.
 *
 * While a commit is in flight the next items gather, so an idle system adds no delay to a write and a
 * busy one a fraction of a call. Each caller gets the answer for its own item, after the commit.
 *
 * Failure policy: closed. A commit that fails rejects exactly its own callers; a full queue refuses new
 * items (`overloaded`, 503) and never drops one that it took. Where a group fails for its data, and not
 * for an outage, it is halved and tried again until the bad item stands alone, so that one poisoned item
 * cannot sink its neighbours, now or with every retry of theirs. At most {@linkcode MAX_COMMITS} commits
 * are spent on one group; what is left then is rejected as one.
 *
 * @module
 */
import { Problem } from "../http/problem.ts";
import { DbError } from "./client.ts";

/** Commits spent on one group at most. One bad item among a thousand takes 21. */
const MAX_COMMITS = 128;

/**
 * SQLSTATE classes that data can cause: cardinality (21), data exception (22), constraints (23), program
 * limits (54), raised by a function (P0). Not among them: a missing function or right (42), a fault of the
 * Data API; those meet every item alike.
 */
const ITEM_FAULT = /^(21|22|23|54|P0)/;

/** Options of {@linkcode groupCommit}. */
export interface GroupCommitOptions<T, R> {
  /** Writes a group, all or nothing, and gives one result an item, in order. */
  commit(items: T[]): Promise<R[]>;
  /** Most items of a group. */
  maxItems: number;
  /** Most items that wait for a commit; further ones are refused. */
  maxQueued: number;
  /** Commits under way at once. @default {1} */
  inFlight?: number;
  /**
   * So many items must wait for a group to start beside one that is under way. A group of a few costs the database
   * nearly what a full one does, so it pays to gather; alone, an item never waits. @default {1}
   */
  worthBeside?: number;
  /** Size of an item in bytes, or whatever the limits below count. @default {0 for every item} */
  size?(item: T): number;
  /** Most size of a group; an item larger than that goes alone. @default {Infinity} */
  maxBytes?: number;
  /** Most size that waits for a commit; further items are refused unless nothing waits. @default {Infinity} */
  maxQueuedBytes?: number;
  /**
   * Whether a failed commit may be blamed on an item, so that halving the group makes sense.
   * @default {the error is a DbError whose SQLSTATE data can cause}
   */
  isItemFault?(error: unknown): boolean;
}

interface Entry<T, R> {
  readonly item: T;
  readonly bytes: number;
  resolve(result: R): void;
  reject(error: unknown): void;
}

/**
 * Makes a function that writes one item as part of a group.
 *
 * Items handed over in the same turn of the event loop share a group, in their order; groups start in
 * order, and with `inFlight` above 1 may end out of order.
 *
 * @returns A function that resolves to the item's own result after its group was committed. It rejects
 * with `Problem` overloaded when the queue is full, else with what `commit` threw.
 * @example
 * ```ts
 * const store = groupCommit({ commit: (rows: Row[]) => rpc("store", { rows }), maxItems: 500, maxQueued: 5000 });
 * const outcome = await store(row);
 * ```
 */
export function groupCommit<T, R>(options: GroupCommitOptions<T, R>): (item: T) => Promise<R> {
  const { commit, maxItems, maxQueued, inFlight = 1, worthBeside = 1 } = options;
  const { maxBytes = Infinity, maxQueuedBytes = Infinity } = options;
  const size = options.size ?? (() => 0);
  const isItemFault = options.isItemFault ??
    ((error: unknown) => error instanceof DbError && ITEM_FAULT.test(error.code));

  const queue: Entry<T, R>[] = [];
  let head = 0; // the queue's first entry; shifting an array of thousands for each item would cost more
  let queuedBytes = 0;
  let running = 0;
  let starting = false;

  function submit(item: T): Promise<R> {
    const bytes = size(item);
    const queued = queue.length - head;
    if (queued >= maxQueued || (queued > 0 && queuedBytes + bytes > maxQueuedBytes)) {
      return Promise.reject(new Problem("overloaded"));
    }
    return new Promise((resolve, reject) => {
      queue.push({ item, bytes, resolve, reject });
      queuedBytes += bytes;
      // Not at once: what else comes in this turn of the event loop belongs to the same group.
      if (!starting && mayStart()) {
        starting = true;
        queueMicrotask(start);
      }
    });
  }

  function mayStart(): boolean {
    const waiting = queue.length - head;
    return running === 0 ? waiting > 0 : running < inFlight && waiting >= worthBeside;
  }

  function start(): void {
    starting = false;
    while (mayStart()) {
      running++;
      settle(take(), { commits: MAX_COMMITS }).then(() => {
        running--;
        start();
      });
    }
  }

  /** Takes the next group from the queue. */
  function take(): Entry<T, R>[] {
    const from = head;
    let bytes = 0;
    while (head < queue.length && head - from < maxItems) {
      bytes += queue[head].bytes;
      if (head > from && bytes > maxBytes) break;
      queuedBytes -= queue[head].bytes;
      head++;
    }
    if (head < queue.length) {
      const group = queue.slice(from, head);
      if (head >= 4096) queue.splice(0, head), head = 0;
      return group;
    }
    const group = from === 0 ? queue.slice() : queue.slice(from);
    queue.length = head = 0;
    return group;
  }

  /** Commits a group and tells each of its callers; never rejects. `left` is shared by the parts of a group. */
  async function settle(group: Entry<T, R>[], left: { commits: number }, before?: unknown): Promise<void> {
    if (left.commits-- <= 0) return rejectAll(group, before);
    let results: R[];
    try {
      results = await commit(group.map(({ item }) => item));
      if (results.length !== group.length) {
        throw new TypeError(`commit gave ${results.length} results for ${group.length} items`);
      }
    } catch (error) {
      if (group.length === 1 || !isItemFault(error)) return rejectAll(group, error);
      const half = Math.ceil(group.length / 2);
      await settle(group.slice(0, half), left, error);
      return await settle(group.slice(half), left, error);
    }
    for (let i = 0; i < group.length; i++) group[i].resolve(results[i]);
  }

  function rejectAll(group: Entry<T, R>[], error: unknown): void {
    for (const entry of group) entry.reject(error);
  }

  return submit;
}
