/**
 * Buffers clicks for the database: recorded at once, written in groups after the answers.
 *
 * Failure policy: a visitor is never refused because of a click. While the database is unavailable, clicks wait in
 * memory and are retried until they are written; each is written once, however often it is sent. When the buffer is
 * full, clicks are dropped and counted. A process that is killed loses its unwritten clicks, roughly those that arrived
 * during one call; one that is asked to stop writes them first (`settled`).
 *
 * @module
 */
import type { Rpc } from "../../db/client.ts";
import { Problem } from "../../http/problem.ts";
import { type Click, ClickLines } from "./lines.ts";

/** Options of {@linkcode createClicks}. */
export interface ClicksOptions {
  rpc: Rpc;
  /** Keeps work running after the answer. */
  waitUntil(work: Promise<unknown>): void;
  /** Called with the number of clicks that were lost, and the reason. */
  onLost(clicks: number, error: unknown): void;
  /** Called when sending a group failed and will be retried. */
  onDelayed(error: unknown): void;
  /** Maximum clicks per group. @default {10_000} */
  maxItems?: number;
  /** Maximum clicks waiting. @default {200_000, 10 MB and with the longest users and referrers 100} */
  maxQueued?: number;
  /**
   * Minimum time from the start of one group to that of the next, in milliseconds: nobody waits for a click, and larger
   * groups cost less. Also the most that a killed process loses. @default {100}
   */
  everyMs?: number;
  /** Time from a group's first failure until it is dropped. @default {10 minutes} */
  giveUpMs?: number;
  /** Wait before the nth attempt to send a group, in milliseconds. @default {doubling from 250 to 10,000} */
  backoffMs?(attempt: number): number;
}

/** See the module. */
export interface Clicks {
  /** Records a click. Never fails, never waits. */
  record(click: Click): void;
  /** Counts one more click on the row of a click passed to {@linkcode record}. Never fails, never waits. */
  again(row: Click): void;
  /** Resolves once all recorded clicks are written or dropped, and no more arrive. */
  settled(): Promise<void>;
  /** Resolves once all clicks recorded so far are written or dropped. */
  written(): Promise<void>;
  /** Number of clicks not yet written. */
  waiting(): number;
}

/** Creates a {@linkcode Clicks}. */
export function createClicks(options: ClicksOptions): Clicks {
  const { rpc, waitUntil, onLost, onDelayed, maxItems = 10_000, maxQueued = 200_000, everyMs = 100 } =
    options;
  const { giveUpMs = 600_000, backoffMs = (attempt) => Math.min(10_000, 250 * 2 ** attempt) } = options;
  /** Each isolate counts in its own slot, so that isolates do not wait for each other's rows. */
  const slot = crypto.getRandomValues(new Uint8Array(1))[0] & 15;
  /** The full groups, and the one being filled. */
  const full: ClickLines[] = [];
  let open = new ClickLines();
  let sending: ClickLines | undefined;
  const waiters: { last: ClickLines; resolve(): void }[] = [];
  /**
   * Clicks dropped for lack of room since the last report; reported together, since there can be thousands a second.
   */
  let dropped = 0;
  /** Additional clicks counted on each row since they were last sent. */
  let repeated = new Map<Click, number>();
  let running: Promise<void> | undefined;

  function record(click: Click): void {
    if (queued() >= maxQueued) {
      dropped++;
    } else {
      open.add(click);
      if (open.count === maxItems) {
        full.push(open);
        open = new ClickLines();
      }
    }
    start();
  }

  function again(row: Click): void {
    repeated.set(row, (repeated.get(row) ?? 0) + 1);
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
    while (queued() > 0 || repeated.size > 0) {
      const next = pause(everyMs);
      let group = full.shift();
      let repeats: ReadonlyMap<Click, number> = NONE;
      if (group === undefined) {
        // The rows of these repeats are in this group, if they are not written yet.
        group = open;
        open = new ClickLines();
        repeats = repeated;
        repeated = new Map();
      }
      sending = group;
      if (group.count > 0) await send(linesPart(group.text(), group.count));
      sending = undefined;
      for (let i = waiters.length - 1; i >= 0; i--) {
        if (waiters[i].last === group) waiters.splice(i, 1)[0].resolve();
      }
      const rows = [...repeats].map(([row, c]) => ({ ...row, c }));
      for (let i = 0; i < rows.length; i += MAX_REPEATS) {
        await send(repeatsPart(rows.slice(i, i + MAX_REPEATS)));
      }
      tellDropped();
      if (full.length === 0) await next;
    }
    running = undefined;
  }

  /** Writes a part whole, or in halves if the database refuses its content; never rejects. */
  async function send({ name, args, clicks, halves }: Part): Promise<void> {
    const batch = { p_batch: crypto.randomUUID(), p_slot: slot, ...args };
    const givenUpAt = performance.now() + giveUpMs;
    for (let attempt = 0;; attempt++) {
      try {
        await rpc(name, batch, { timeoutMs: 30_000 });
        return;
      } catch (error) {
        const smaller = error instanceof Problem ? undefined : halves();
        if (smaller !== undefined) {
          for (const half of smaller) await send(half);
          return;
        }
        if (!(error instanceof Problem) || performance.now() > givenUpAt) return onLost(clicks, error);
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
    again,
    settled: () => running ?? Promise.resolve(),
    written,
    waiting: () => queued() + repeated.size + (sending?.count ?? 0),
  };
}

const NONE: ReadonlyMap<Click, number> = new Map();
/** Maximum rows of one `record_repeats` call. */
const MAX_REPEATS = 1000;

/** The content of one call. */
interface Part {
  readonly name: "record_clicks" | "record_repeats";
  readonly args: object;
  /** Number of clicks in it. */
  readonly clicks: number;
  /** The same content in two parts; undefined for a single row. */
  halves(): Part[] | undefined;
}

function linesPart(lines: string, count: number): Part {
  return {
    name: "record_clicks",
    args: { p_clicks: lines },
    clicks: count,
    halves: () => {
      if (count < 2) return undefined;
      const half = count >> 1, each = lines.split("\n");
      return [
        linesPart(each.slice(0, half).join("\n"), half),
        linesPart(each.slice(half).join("\n"), count - half),
      ];
    },
  };
}

/** `c`: the number of clicks counted on the row. */
function repeatsPart(rows: (Click & { c: number })[]): Part {
  return {
    name: "record_repeats",
    args: { p_repeats: rows },
    clicks: rows.reduce((sum, { c }) => sum + c, 0),
    halves: () => {
      if (rows.length < 2) return undefined;
      const half = rows.length >> 1;
      return [repeatsPart(rows.slice(0, half)), repeatsPart(rows.slice(half))];
    },
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
