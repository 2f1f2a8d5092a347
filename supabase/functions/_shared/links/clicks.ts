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
import type { Rpc } from "../db/client.ts";
import { Problem } from "../http/problem.ts";
import type { Verdict } from "./agents.ts";

/** A click as `record_clicks` takes it; what stands at its default is left out. */
export interface Click {
  code: string;
  /** When, in Unix milliseconds. */
  t: number;
  /** Verdict. @default {"human"} */
  v?: Verdict;
  /** By what the verdict was reached. */
  r?: string;
  /** Where it went. @default {"web"} */
  k?: "web" | "app" | "store" | "whatsapp" | "fallback" | "preview";
  /** Platform. */
  p: string;
  /** Country. */
  y?: string;
  /** Referring host. */
  f?: string;
  /** Visitor's hash, 16 digits of hex. */
  h?: string;
  /** Audience user. */
  u?: string;
  /** Token. */
  o?: string;
  /** Fingerprint, 16 digits of hex. */
  g?: string;
}

/** Options of {@linkcode createClicks}. */
export interface ClicksOptions {
  rpc: Rpc;
  /** Lets work go on after the answer. */
  waitUntil(work: Promise<unknown>): void;
  /** Told how many clicks were lost, and why. */
  onLost(clicks: number, error: unknown): void;
  /** Told when a group could not be sent and will be sent again. */
  onDelayed(error: unknown): void;
  /** Most clicks of a group. @default {4000} */
  maxItems?: number;
  /** Most clicks that wait. @default {200_000, about 60 MB} */
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
  /** Resolves when all that was taken is written or given up. */
  settled(): Promise<void>;
  /** Clicks that are not written yet. */
  waiting(): number;
}

/** Makes a {@linkcode Clicks}. */
export function createClicks(options: ClicksOptions): Clicks {
  const { rpc, waitUntil, onLost, onDelayed, maxItems = 4000, maxQueued = 200_000, everyMs = 100 } = options;
  const { giveUpMs = 600_000, backoffMs = (attempt) => Math.min(10_000, 250 * 2 ** attempt) } = options;
  /** Isolates count in slots of their own, so that they do not wait for each other's rows. */
  const slot = crypto.getRandomValues(new Uint8Array(1))[0] & 15;
  let queue: Click[] = [];
  let sending = 0;
  /** Clicks that found no room since that was last told: told together, for there can be thousands a second. */
  let dropped = 0;
  let running: Promise<void> | undefined;

  function record(click: Click): void {
    if (queue.length >= maxQueued) dropped++;
    else queue.push(click);
    if (running === undefined) {
      running = run();
      waitUntil(running);
    }
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
    while (queue.length > 0) {
      const next = pause(everyMs);
      const group = queue.length <= maxItems ? queue : queue.slice(0, maxItems);
      queue = queue.length <= maxItems ? [] : queue.slice(maxItems);
      sending = group.length;
      await send(group);
      sending = 0;
      tellDropped();
      if (queue.length < maxItems) await next;
    }
    running = undefined;
  }

  /** Writes a group whole, or in halves when the database refuses it for what is in it; never rejects. */
  async function send(group: Click[]): Promise<void> {
    const args = { p_batch: crypto.randomUUID(), p_slot: slot, p_clicks: group };
    const givenUpAt = performance.now() + giveUpMs;
    for (let attempt = 0;; attempt++) {
      try {
        await rpc("record_clicks", args, { timeoutMs: 30_000 });
        return;
      } catch (error) {
        if (!(error instanceof Problem) && group.length > 1) {
          const half = group.length >> 1;
          await send(group.slice(0, half));
          return await send(group.slice(half));
        }
        if (!(error instanceof Problem) || performance.now() > givenUpAt) return onLost(group.length, error);
        // The same batch again: it is written once, also when only the answer was lost.
        onDelayed(error);
        tellDropped();
        await pause(backoffMs(attempt));
      }
    }
  }

  return { record, settled: () => running ?? Promise.resolve(), waiting: () => queue.length + sending };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
