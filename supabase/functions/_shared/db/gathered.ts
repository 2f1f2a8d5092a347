/**
 * Series of figures, added up in memory by name and label and sent in groups.
 *
 * Failure policy: open. A group that cannot be sent is kept and sent with the next; one that the database refuses for its
 * data is dropped; a process that dies takes its last seconds with it.
 *
 * @module
 */
import { configFaults } from "../config/env.ts";
import { postpone, waitUntil } from "../http/background.ts";
import { log } from "../log/log.ts";
import { DbError } from "./client.ts";

/** One series of a group. */
export interface Series {
  readonly name: string;
  readonly label: string;
}

/** Options of {@linkcode createGathered}. */
export interface GatheredOptions<S extends Series> {
  /** What they are in the log: "counts". */
  what: string;
  /** A series of which nothing has happened yet. */
  empty(name: string, label: string): S;
  /** Adds what a group that was not sent has of a series. */
  add(to: S, from: S): void;
  /** Takes one group. */
  send(group: S[]): Promise<unknown>;
  /** Milliseconds from the begin of a group until it is sent. @default {2000} */
  delayMs?: number;
  /** Series held; further ones are left out until the next group is sent. */
  max: number;
}

/** See the module. */
export interface Gathered<S extends Series> {
  /** The series to add to, until the next flush; undefined where there is no room for it. */
  of(name: string, label: string): S | undefined;
  /** Sends what has been gathered. Never rejects. */
  flush(): Promise<void>;
}

/** Makes a {@linkcode Gathered}. */
export function createGathered<S extends Series>(
  { what, empty, add, send, delayMs = 2000, max }: GatheredOptions<S>,
): Gathered<S> {
  /** By name and label: two look-ups of constant strings cost less than putting them together. */
  let gathered = new Map<string, Map<string, S>>();
  let held = 0;
  const sendLater = postpone(delayMs, flush);
  let sending: Promise<void> | undefined;

  function of(name: string, label: string): S | undefined {
    return gathered.get(name)?.get(label) ?? begin(name, label);
  }

  function begin(name: string, label: string): S | undefined {
    if (held >= max) return undefined;
    const series = empty(name, label);
    hold(series);
    sendLater.begin();
    return series;
  }

  function hold(series: S): void {
    let labels = gathered.get(series.name);
    if (labels === undefined) gathered.set(series.name, labels = new Map());
    labels.set(series.label, series);
    held++;
  }

  async function flush(): Promise<void> {
    sendLater.cancel();
    await sending;
    if (held === 0) return;
    const group = [...gathered.values()].flatMap((labels) => [...labels.values()]);
    gathered = new Map();
    held = 0;
    sending = send(group).then(() => {}, (error) => {
      if (error instanceof DbError) {
        log.error(`${what} were refused by the database and are dropped`, { error, series: group.length });
        return;
      }
      log.warn(`${what} could not be sent and are kept`, { error });
      group.forEach(keep);
      sendLater.begin();
    });
    await sending;
  }

  function keep(series: S): void {
    const since = gathered.get(series.name)?.get(series.label);
    if (since === undefined) hold(series);
    else add(since, series);
  }

  return { of, flush };
}

/** What sends the groups of this process: a process that has no database (a deployment check, a unit test) tells nobody. */
export function toDatabase<S>(send: (group: S[]) => Promise<unknown>): (group: S[]) => Promise<unknown> {
  return (group) =>
    configFaults("SUPABASE_URL", "SUPABASE_SECRET_KEYS").length > 0 ? Promise.resolve() : send(group);
}

/** Sends what is left when the platform ends the process, of which it tells, though not always. */
export function flushAtEnd(flush: () => Promise<void>): void {
  globalThis.addEventListener("beforeunload", () => waitUntil(flush()));
}
