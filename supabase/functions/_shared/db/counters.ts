/**
 * Counters of events, for people to look at: collected in memory, sent in groups (see `gathered.ts` for the
 * failure policy). Do not use them for anything that must be exact.
 *
 * @module
 */
import { rpc } from "./client.ts";
import { createGathered, flushAtEnd, toDatabase } from "./gathered.ts";

/** The value of one counter in a group. */
export interface Count {
  readonly name: string;
  readonly label: string;
  n: number;
}

/** Counters in memory; see {@linkcode createCounters}. */
export interface Counters {
  /**
   * Adds `n` to the counter `name` under `label`. The name is a constant of the code; a label consists of
   * such constants and of names that operators chose (flags), never of data from a caller.
   */
  count(name: string, label?: string, n?: number): void;
  /** Creates a function that adds 1 to one counter: for what is counted at each request. */
  counting(name: string, label?: string): () => void;
  /** Sends what has been collected. Never rejects. */
  flush(): Promise<void>;
}

/** Options of {@linkcode createCounters}. */
export interface CountersOptions {
  /** Sends one group. */
  send(counts: Count[]): Promise<unknown>;
  /** Milliseconds from the first count of a group to its sending. @default {2000} */
  delayMs?: number;
  /** Most distinct counters in memory; others are dropped until the next group is sent. @default {500} */
  maxKeys?: number;
}

/** Creates counters; the functions share {@linkcode count}. */
export function createCounters({ send, delayMs, maxKeys = 500 }: CountersOptions): Counters {
  const { of, held, flush } = createGathered<Count>({
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
  function counting(name: string, label = ""): () => void {
    const counter = held(name, label);
    return () => {
      const its = counter();
      if (its !== undefined) its.n++;
    };
  }
  return { count, counting, flush };
}

const shared = createCounters({ send: toDatabase((counts) => rpc("add_counts", { p_counts: counts })) });

/** Adds `n` (default 1) to a counter of this process. Costs a map entry; sent within seconds. */
export const count: Counters["count"] = shared.count;

/** See {@linkcode Counters.counting}, for the counters of this process. */
export const counting: Counters["counting"] = shared.counting;

/** Suffix of a refusal counter's name, after the name of the function. */
const REFUSED = "_refused";

/** Name of the counter of a function's refusals; its labels are the error codes. */
export function refusalCounter(fn: string): string {
  return fn.replaceAll("-", "_") + REFUSED;
}

/** The function whose refusals a counter counts; undefined for any other counter. */
export function refusingFunction(counter: string): string | undefined {
  // What the pipeline refuses of services' replies is no function's.
  if (!counter.endsWith(REFUSED) || counter === "replies_refused") return undefined;
  return counter.slice(0, -REFUSED.length).replaceAll("_", "-");
}

/** Counts the result and reason of one evaluation of an existing flag. */
export function countFlag(key: string, reason: string): void {
  let ofFlag = flagCounters.get(key);
  if (ofFlag === undefined) flagCounters.set(key, ofFlag = new Map());
  let counter = ofFlag.get(reason);
  if (counter === undefined) ofFlag.set(reason, counter = counting("flag_evaluations", `${key} ${reason}`));
  counter();
}

const flagCounters = new Map<string, Map<string, () => void>>();

/** Sends this process's counts now; called before the process stops. Never rejects. */
export const flushCounts: Counters["flush"] = shared.flush;

flushAtEnd(flushCounts);
