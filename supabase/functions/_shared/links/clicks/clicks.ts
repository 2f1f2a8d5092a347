/**
 * Clicks on their way into the database: taken at once, written in groups after the answers.
 *
 * Failure policy: a visitor is never refused for the sake of a click. While the database is away clicks wait in
 * memory, are sent again until they are written, and are written once however often they are sent. When there is no
 * room left they are dropped and counted. A process that is killed takes with it what is on its way, which is about
 * what came during one call; one that is asked to stop finishes it (`settled`).
 *
 * @module
 */
import type { Rpc } from "../../db/client.ts";
import { Problem } from "../../http/problem.ts";
import { type Click, ClickLines } from "./lines.ts";

/** Options of {@linkcode createClicks}. */
export interface ClicksOptions {
  rpc: Rpc;
  /** Lets work go on after the answer. */
  waitUntil(work: Promise<unknown>): void;
  /** Told how many clicks were lost, and why. */
  onLost(clicks: number, error: unknown): void;
  /** Told when a group could not be sent and will be sent again. */
  onDelayed(error: unknown): void;
  /** Most clicks of a group. @default {10_000} */
  maxItems?: number;
  /** Most clicks that wait. @default {200_000, 10 MB and with the longest users and referrers 100} */
  maxQueued?: number;
  /**
   * From the start of one group to that of the next, at least, in milliseconds: nobody waits for a click, and a larger
   * group costs less. Also how much a process that is killed loses at most. @default {100}
   */
  everyMs?: number;
  /** From the first failure of a group until it is given up. @default {10 minutes} */
  giveUpMs?: number;
  /** Wait before a group is sent for the nth time, in milliseconds. @default {doubling from 250 to 10,000} */
  backoffMs?(attempt: number): number;
}

/** See the module. */
export interface Clicks {
  /** Takes a click. Never fails, never waits. */
  record(click: Click): void;
  /** Takes one more that counts on the row of a click that {@linkcode record} took. Never fails, never waits. */
  again(row: Click): void;
  /** Resolves when all that was taken is written or given up, and nothing comes any more. */
  settled(): Promise<void>;
  /** Resolves when all that was taken until now is written or given up. */
  written(): Promise<void>;
  /** Clicks that are not written yet. */
  waiting(): number;
}

/** Makes a {@linkcode Clicks}. */
export function createClicks(options: ClicksOptions): Clicks {
  const { rpc, waitUntil, onLost, onDelayed, maxItems = 10_000, maxQueued = 200_000, everyMs = 100 } =
    options;
  const { giveUpMs = 600_000, backoffMs = (attempt) => Math.min(10_000, 250 * 2 ** attempt) } = options;
  /** Isolates count in slots of their own, so that they do not wait for each other's rows. */
  const slot = crypto.getRandomValues(new Uint8Array(1))[0] & 15;
  /** Groups that are full, and the one that is not. */
  const full: ClickLines[] = [];
  let open = new ClickLines();
  let sending: ClickLines | undefined;
  const waiters: { last: ClickLines; resolve(): void }[] = [];
  /** Clicks that found no room since that was last told: told together, for there can be thousands a second. */
  let dropped = 0;
  /** How many more count on a row since that was last sent. */
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

  /** Sends group after group until nothing is left. */
  async function run(): Promise<void> {
    await undefined; // what else comes in this turn of the event loop belongs to the same group
    while (queued() > 0 || repeated.size > 0) {
      const next = pause(everyMs);
      let group = full.shift();
      let repeats: ReadonlyMap<Click, number> = NONE;
      if (group === undefined) {
        // Their rows are in this group, if they are not written yet.
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

  /** Writes a part whole, or in halves when the database refuses it for what is in it; never rejects. */
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
        // The same batch again: it is written once, also when only the answer was lost.
        onDelayed(error);
        tellDropped();
        await pause(backoffMs(attempt));
      }
    }
  }

  /** Groups are sent in their order: with the last of those there are, all are. */
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
/** Rows of one `record_repeats`. */
const MAX_REPEATS = 1000;

/** What is sent in one call. */
interface Part {
  readonly name: "record_clicks" | "record_repeats";
  readonly args: object;
  /** How many clicks are in it. */
  readonly clicks: number;
  /** The same in two parts; undefined for a single row. */
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

/** `c`: how many count on the row. */
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
