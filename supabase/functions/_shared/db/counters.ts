/**
 * Counters of what happened, for people to look at: gathered in memory, sent in groups (`gathered.ts` has the failure
 * policy). Nothing that must be exact is counted here.
 *
 * @module
 */
import { rpc } from "./client.ts";
import { createGathered, flushAtEnd, toDatabase } from "./gathered.ts";

/** One group's worth of one counter. */
export interface Count {
  readonly name: string;
  readonly label: string;
  n: number;
}

/** Counters in memory; see {@linkcode createCounters}. */
export interface Counters {
  /**
   * Adds `n` to the counter `name` under `label`. The name is a constant of the code; a label is made of such constants
   * and of names that operators gave (flags), never of what a caller sent.
   */
  count(name: string, label?: string, n?: number): void;
  /** Sends what has been gathered. Never rejects. */
  flush(): Promise<void>;
}

/** Options of {@linkcode createCounters}. */
export interface CountersOptions {
  /** Takes one group. */
  send(counts: Count[]): Promise<unknown>;
  /** Milliseconds from the first count of a group until it is sent. @default {2000} */
  delayMs?: number;
  /** Distinct counters held; further ones are dropped until the next group is sent. @default {500} */
  maxKeys?: number;
}

/** Counters of their own; the functions share {@linkcode count}. */
export function createCounters({ send, delayMs, maxKeys = 500 }: CountersOptions): Counters {
  const { of, flush } = createGathered<Count>({
    what: "counts",
    empty: (name, label) => ({ name, label, n: 0 }),
    add: (to, from) => to.n += from.n,
    send,
    delayMs,
    max: maxKeys,
  });
  function count(name: string, label = "", n = 1): void {
    const counter = of(name, label);
    if (counter !== undefined) counter.n += n;
  }
  return { count, flush };
}

const shared = createCounters({ send: toDatabase((counts) => rpc("add_counts", { p_counts: counts })) });

/** Adds `n` (default 1) to a counter of this process. Costs a map entry; sent within seconds. */
export const count: Counters["count"] = shared.count;

/** What follows the name of a function in the name of the counter of its refusals. */
const REFUSED = "_refused";

/** Name of the counter of what a function refuses; its labels are the codes. */
export function refusalCounter(fn: string): string {
  return fn.replaceAll("-", "_") + REFUSED;
}

/** The function whose refusals a counter counts; undefined for any other counter. */
export function refusingFunction(counter: string): string | undefined {
  // What the pipeline refuses of services' replies is no function's.
  if (!counter.endsWith(REFUSED) || counter === "replies_refused") return undefined;
  return counter.slice(0, -REFUSED.length).replaceAll("_", "-");
}

/** Counts what a flag that exists said, and why. */
export function countFlag(key: string, reason: string): void {
  let labels = flagLabels.get(key);
  if (labels === undefined) flagLabels.set(key, labels = new Map());
  let label = labels.get(reason);
  if (label === undefined) labels.set(reason, label = `${key} ${reason}`);
  count("flag_evaluations", label);
}

const flagLabels = new Map<string, Map<string, string>>();

/** Sends this process's counts now; for whoever stops it. Never rejects. */
export const flushCounts: Counters["flush"] = shared.flush;

flushAtEnd(flushCounts);
