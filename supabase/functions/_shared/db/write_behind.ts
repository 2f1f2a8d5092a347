/**
 * Rows that are recorded at once and written in groups after the answers, as lines of text.
 *
 * Failure policy: nobody is refused because of a row. While the database is unavailable, rows wait in memory and are
 * retried until they are written; each is written once, however often it is sent. When the buffer is full, rows are
 * dropped and counted. A process that is killed loses its unwritten rows, roughly those that arrived during one call;
 * one that is asked to stop writes them first (`settled`).
 *
 * @module
 */
import { Problem } from "../http/problem.ts";

/** A growing group of rows. */
export interface Lines<T> {
  /** Number of rows. */
  readonly count: number;
  add(row: T): void;
  /** The rows, one a line. */
  text(): string;
}

/** The content of one call. */
export interface Part {
  /** Writes it. A batch that was written before is not written again. */
  write(batch: string): Promise<unknown>;
  /** Number of rows in it. */
  readonly rows: number;
  /** The same content in two parts; undefined for a single row. */
  halves(): Part[] | undefined;
}

/** What is written beside the rows: it may refer to rows of the group before. */
export interface Aside {
  /** Takes what has been collected. */
  take(): Part[];
  /** Number of entries that wait. */
  waiting(): number;
}

/** Options of {@linkcode createWriteBehind}. */
export interface WriteBehindOptions<T> {
  /** Creates an empty group. */
  lines(): Lines<T>;
  /** Writes lines under the id of their batch. */
  write(batch: string, lines: string): Promise<unknown>;
  aside?: Aside;
  /** Keeps work running after the answer. */
  waitUntil(work: Promise<unknown>): void;
  /** Called with the number of rows that were lost, and the reason. */
  onLost(rows: number, error: unknown): void;
  /** Called when sending a group failed and will be retried. */
  onDelayed(error: unknown): void;
  /** Called after each group that was written. */
  onWritten?(): void;
  /** Maximum rows per group. @default {10_000} */
  maxItems?: number;
  /** Maximum rows waiting. @default {200_000} */
  maxQueued?: number;
  /**
   * Minimum time from the start of one group to that of the next, in milliseconds: nobody waits for a row, and larger
   * groups cost less. Also the most that a killed process loses. @default {100}
   */
  everyMs?: number;
  /** Time from a group's first failure until it is dropped. @default {10 minutes} */
  giveUpMs?: number;
  /** Wait before the nth attempt to send a group, in milliseconds. @default {doubling from 250 to 10,000} */
  backoffMs?(attempt: number): number;
}

/** See the module. */
export interface WriteBehind<T> {
  /** Records a row. Never fails, never waits. */
  record(row: T): void;
  /** Sees to it that what waits aside is written, too. */
  start(): void;
  /** Resolves once all recorded rows are written or dropped, and no more arrive. */
  settled(): Promise<void>;
  /** Resolves once all rows recorded so far are written or dropped. */
  written(): Promise<void>;
  /** Number of rows not yet written. */
  waiting(): number;
}

/** Creates a {@linkcode WriteBehind}. */
export function createWriteBehind<T>(options: WriteBehindOptions<T>): WriteBehind<T> {
  const { lines, write, aside, waitUntil, onLost, onDelayed, onWritten } = options;
  const { maxItems = 10_000, maxQueued = 200_000, everyMs = 100 } = options;
  const { giveUpMs = 600_000, backoffMs = (attempt) => Math.min(10_000, 250 * 2 ** attempt) } = options;
  /** The full groups, and the one being filled. */
  const full: Lines<T>[] = [];
  let open = lines();
  let sending: Lines<T> | undefined;
  const waiters: { last: Lines<T>; resolve(): void }[] = [];
  /** Rows dropped for lack of room since the last report; reported together, since there can be thousands a second. */
  let dropped = 0;
  let running: Promise<void> | undefined;

  function record(row: T): void {
    if (queued() >= maxQueued) {
      dropped++;
    } else {
      open.add(row);
      if (open.count === maxItems) {
        full.push(open);
        open = lines();
      }
    }
    start();
  }

  function start(): void {
    if (running === undefined) {
      running = run();
      waitUntil(running);
    }
  }

  function queued(): number {
    return full.length * maxItems + open.count;
  }

  function tellDropped(): void {
    if (dropped === 0) return;
    const n = dropped;
    dropped = 0;
    onLost(n, new Problem("overloaded"));
  }

  /** Sends groups until none is left. */
  async function run(): Promise<void> {
    await undefined; // what else comes in this turn of the event loop belongs to the same group
    while (queued() > 0 || (aside?.waiting() ?? 0) > 0) {
      const next = pause(everyMs);
      let group = full.shift();
      let beside: Part[] = [];
      if (group === undefined) {
        // What waits aside may refer to rows of this group, if they are not written yet.
        group = open;
        open = lines();
        beside = aside?.take() ?? [];
      }
      sending = group;
      if (group.count > 0) await send(partOf(write, group.text(), group.count));
      sending = undefined;
      for (let i = waiters.length - 1; i >= 0; i--) {
        if (waiters[i].last === group) waiters.splice(i, 1)[0].resolve();
      }
      for (const part of beside) await send(part);
      onWritten?.();
      tellDropped();
      if (full.length === 0) await next;
    }
    running = undefined;
  }

  /** Writes a part whole, or in halves if the database refuses its content; never rejects. */
  async function send({ write, rows, halves }: Part): Promise<void> {
    const batch = crypto.randomUUID();
    const givenUpAt = performance.now() + giveUpMs;
    for (let attempt = 0;; attempt++) {
      try {
        await write(batch);
        return;
      } catch (error) {
        const smaller = error instanceof Problem ? undefined : halves();
        if (smaller !== undefined) {
          for (const half of smaller) await send(half);
          return;
        }
        if (!(error instanceof Problem) || performance.now() > givenUpAt) return onLost(rows, error);
        // Retries the same batch: it is written once, even if only the answer was lost.
        onDelayed(error);
        tellDropped();
        await pause(backoffMs(attempt));
      }
    }
  }

  /** Groups are sent in order, so once the last current group is sent, all are. */
  function written(): Promise<void> {
    const last = open.count > 0 ? open : full.at(-1) ?? sending;
    return last === undefined ? Promise.resolve() : new Promise((resolve) => waiters.push({ last, resolve }));
  }

  return {
    record,
    start,
    settled: () => running ?? Promise.resolve(),
    written,
    waiting: () => queued() + (aside?.waiting() ?? 0) + (sending?.count ?? 0),
  };
}

/** Lines as one part. */
function partOf(
  write: (batch: string, lines: string) => Promise<unknown>,
  lines: string,
  rows: number,
): Part {
  return {
    write: (batch) => write(batch, lines),
    rows,
    halves: () => {
      if (rows < 2) return undefined;
      const half = rows >> 1, each = lines.split("\n");
      return [
        partOf(write, each.slice(0, half).join("\n"), half),
        partOf(write, each.slice(half).join("\n"), rows - half),
      ];
    },
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
