/**
 * Counters of what happened, for people to look at: gathered in memory, sent in groups.
 *
 * Failure policy: open. A count that cannot be sent is kept and sent with the next; a process that dies
 * takes its last seconds of counts with it. Nothing that must be exact is counted here.
 *
 * @module
 */
import { configFaults } from "../config/env.ts";
import { postpone, waitUntil } from "../http/background.ts";
import { log } from "../log/log.ts";
import { rpc } from "./client.ts";

/** One group's worth of one counter. */
export interface Count {
  readonly name: string;
  readonly label: string;
  readonly n: number;
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
  /** Takes one group; a rejection keeps the group for the next time. */
  send(counts: Count[]): Promise<unknown>;
  /** Milliseconds from the first count of a group until it is sent. @default {2000} */
  delayMs?: number;
  /** Distinct counters held; further ones are dropped until the next group is sent. @default {500} */
  maxKeys?: number;
}

/** Counters of their own; the functions share {@linkcode count}. */
export function createCounters({ send, delayMs = 2000, maxKeys = 500 }: CountersOptions): Counters {
  /** By name and label: two look-ups of constant strings cost less than putting them together. */
  let gathered = new Map<string, Map<string, number>>();
  let held = 0;
  const sendLater = postpone(delayMs, flush);
  let sending: Promise<void> | undefined;

  function count(name: string, label = "", n = 1): void {
    let labels = gathered.get(name);
    const before = labels?.get(label);
    if (before === undefined) {
      if (held >= maxKeys) return;
      held++;
      if (labels === undefined) gathered.set(name, labels = new Map());
    }
    labels!.set(label, (before ?? 0) + n);
    sendLater.begin();
  }

  async function flush(): Promise<void> {
    sendLater.cancel();
    await sending;
    if (held === 0) return;
    const group = [...gathered].flatMap(([name, labels]) =>
      [...labels].map(([label, n]) => ({ name, label, n }))
    );
    gathered = new Map();
    held = 0;
    sending = send(group).then(() => {}, (error) => {
      log.warn("counts could not be sent and are kept", { error });
      for (const { name, label, n } of group) count(name, label, n);
    });
    await sending;
  }

  return { count, flush };
}

const shared = createCounters({
  send(counts) {
    // A process that has no database (a deployment check, a unit test) has nobody to tell.
    if (configFaults("SUPABASE_URL", "SUPABASE_SECRET_KEYS").length > 0) return Promise.resolve();
    return rpc("add_counts", { p_counts: counts });
  },
});

/** Adds `n` (default 1) to a counter of this process. Costs a map entry; sent within seconds. */
export const count: Counters["count"] = shared.count;

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

// The platform says when it is about to end the process, though not always.
globalThis.addEventListener("beforeunload", () => waitUntil(flushCounts()));
