/**
 * Group commit: concurrent writes of one process share a call.
 *
 * While a commit is in flight the next items are collected, so an idle system adds no delay to a write and a
 * busy one a fraction of a call. Each caller gets the result of its own item, after the commit.
 *
 * Failure policy: closed. A failed commit rejects exactly its own callers; a full queue refuses new items
 * (`overloaded`, 503) and never drops an accepted one. If a group fails because of its data, and not because
 * of an outage, it is halved and tried again until the bad item is alone, so that one bad item cannot fail
 * the others, now or at every retry. At most {@linkcode MAX_COMMITS} commits are spent on one group; what is
 * left is then rejected together.
 *
 * @module
 */
import { Problem } from "../http/problem.ts";
import { DbError } from "./client.ts";

/** Most commits for one group. One bad item among a thousand takes 21. */
const MAX_COMMITS = 128;

/**
 * SQLSTATE classes that data can cause: cardinality (21), data exception (22), constraints (23), program
 * limits (54), raised by a function (P0). Not included: a missing function or right (42) and errors of the
 * Data API, which affect every item alike.
 */
const ITEM_FAULT = /^(21|22|23|54|P0)/;

/** Options of {@linkcode groupCommit}. */
export interface GroupCommitOptions<T, R> {
  /** Writes a group atomically and returns one result per item, in order. */
  commit(items: T[]): Promise<R[]>;
  /** Most items of a group. */
  maxItems: number;
  /** Most items that wait for a commit; others are refused. */
  maxQueued: number;
  /** Commits under way at once. @default {1} */
  inFlight?: number;
  /**
   * Items that must be waiting before a group starts beside one that is in flight. A small group costs the
   * database nearly as much as a full one, so collecting pays; if nothing is in flight, an item never waits.
   * @default {1}
   */
  worthBeside?: number;
  /** Size of an item in bytes, or in the unit of the limits below. @default {0 for every item} */
  size?(item: T): number;
  /** Largest total size of a group; a larger item is sent alone. @default {Infinity} */
  maxBytes?: number;
  /**
   * Largest total size that waits for a commit; other items are refused unless nothing waits. @default
   * {Infinity}
   */
  maxQueuedBytes?: number;
  /**
   * Whether an item may be the cause of a failed commit, so that halving the group makes sense.
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

  /**
   * Commits a group and settles each of its callers; never rejects. `left` is shared by the parts of a group.
   */
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
