/**
 * Series of figures, summed in memory by name and label and sent in groups.
 *
 * Failure policy: open. A group that cannot be sent is kept and sent with the next one; a group whose data
 * the database refuses is dropped; a process that dies loses its last seconds.
 *
 * @module
 */
import { configFaults } from "../config/env.ts";
import { postpone, waitUntil } from "../http/background.ts";
import { sharedRun } from "../http/shared_run.ts";
import { log } from "../log/log.ts";
import { DbError } from "./client.ts";

/** One series of a group. */
export interface Series {
  readonly name: string;
  readonly label: string;
}

/** Options of {@linkcode createGathered}. */
export interface GatheredOptions<S extends Series> {
  /** Their name in the log: "counts". */
  what: string;
  /** Creates an empty series. */
  empty(name: string, label: string): S;
  /** Adds the figures of an unsent group to a series. */
  add(to: S, from: S): void;
  /** Sends one group. */
  send(group: S[]): Promise<unknown>;
  /** Milliseconds from the start of a group to its sending. @default {2000} */
  delayMs?: number;
  /** Most series in memory; others are dropped until the next group is sent. */
  max: number;
}

/** See the module. */
export interface Gathered<S extends Series> {
  /** The series to add to, until the next flush; undefined if there is no room for it. */
  of(name: string, label: string): S | undefined;
  /** As `of` for one series, which is looked up once a group: for callers that run for each request. */
  held(name: string, label: string): () => S | undefined;
  /** Sends what has been collected. Never rejects. */
  flush(): Promise<void>;
}

/** Makes a {@linkcode Gathered}. */
export function createGathered<S extends Series>(
  { what, empty, add, send, delayMs = 2000, max }: GatheredOptions<S>,
): Gathered<S> {
  /** By name, then by label: two look-ups of constant strings cost less than one concatenation. */
  let gathered = new Map<string, Map<string, S>>();
  let count = 0;
  const flush = sharedRun(sendAll);
  const sendLater = postpone(delayMs, flush);

  function of(name: string, label: string): S | undefined {
    return gathered.get(name)?.get(label) ?? begin(name, label);
  }

  function held(name: string, label: string): () => S | undefined {
    let series: S | undefined, group: typeof gathered | undefined;
    return () => {
      if (series === undefined || group !== gathered) {
        series = of(name, label);
        group = gathered;
      }
      return series;
    };
  }

  function begin(name: string, label: string): S | undefined {
    if (count >= max) return undefined;
    const series = empty(name, label);
    hold(series);
    sendLater.begin();
    return series;
  }

  function hold(series: S): void {
    let labels = gathered.get(series.name);
    if (labels === undefined) gathered.set(series.name, labels = new Map());
    labels.set(series.label, series);
    count++;
  }

  async function sendAll(): Promise<void> {
    sendLater.cancel();
    if (count === 0) return;
    const group = [...gathered.values()].flatMap((labels) => [...labels.values()]);
    gathered = new Map();
    count = 0;
    await send(group).catch((error) => {
      if (error instanceof DbError) {
        log.error(`${what} were refused by the database and are dropped`, { error, series: group.length });
        return;
      }
      log.warn(`${what} could not be sent and are kept`, { error });
      group.forEach(keep);
      sendLater.begin();
    });
  }

  function keep(series: S): void {
    const since = gathered.get(series.name)?.get(series.label);
    if (since === undefined) hold(series);
    else add(since, series);
  }

  return { of, held, flush };
}

/**
 * Wraps the sending of this process's groups: a process without a database (a deployment check, a unit test)
 * sends nothing.
 */
export function toDatabase<S>(send: (group: S[]) => Promise<unknown>): (group: S[]) => Promise<unknown> {
  return (group) =>
    configFaults("SUPABASE_URL", "SUPABASE_SECRET_KEYS").length > 0 ? Promise.resolve() : send(group);
}

/** Sends the rest when the platform announces the end of the process. It does not always do so. */
export function flushAtEnd(flush: () => Promise<void>): void {
  globalThis.addEventListener("beforeunload", () => waitUntil(flush()));
}
