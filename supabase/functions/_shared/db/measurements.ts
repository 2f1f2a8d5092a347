/**
 * How often things happened and how long they took, for people to look at: added up in memory, sent in groups.
 * {@linkcode count} is for what has no duration.
 *
 * Failure policy: open. It is never on a request's path. A group that cannot be sent is kept and sent with the next; one
 * that the database refuses for its data is dropped; a process that dies takes its last seconds with it.
 *
 * @module
 */
import { configFaults } from "../config/env.ts";
import { postpone, waitUntil } from "../http/background.ts";
import { log } from "../log/log.ts";
import { DbError, rpc } from "./client.ts";

/** Upper bounds of the buckets in milliseconds, as in `private.latency_buckets`. One bucket more is for what took longer. */
export const BUCKETS_MS: readonly number[] = [
  ...[1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 1500, 2000, 3000],
  ...[5000, 10_000, 30_000, 60_000, 300_000],
];

/** One series' worth of a group, as `add_measurements` takes it. */
export interface Measurement {
  readonly name: string;
  readonly label: string;
  n: number;
  /** Milliseconds of all of them. */
  ms: number;
  /** How many fell into each bucket. */
  readonly counts: number[];
}

/** Measurements in memory; see {@linkcode createMeasurements}. */
export interface Measurements {
  /**
   * Adds one duration to the series `name` under `label`. The name is a constant of the code; a label is made of such
   * constants, statuses and names that operators gave, with a space between, never of what a caller sent.
   */
  measure(name: string, label: string, ms: number): void;
  /** Sends what has been gathered. Never rejects. */
  flush(): Promise<void>;
}

/** Options of {@linkcode createMeasurements}. */
export interface MeasurementsOptions {
  /** Takes one group. */
  send(measurements: Measurement[]): Promise<unknown>;
  /** Milliseconds from the first measurement of a group until it is sent. @default {2000} */
  delayMs?: number;
  /** Series held; further ones are left out until the next group is sent. @default {300} */
  maxSeries?: number;
}

/** Measurements of their own; the functions share {@linkcode measure}. */
export function createMeasurements(
  { send, delayMs = 2000, maxSeries = 300 }: MeasurementsOptions,
): Measurements {
  /** By name and label: two look-ups of constant strings cost less than putting them together. */
  let gathered = new Map<string, Map<string, Measurement>>();
  let held = 0;
  const sendLater = postpone(delayMs, flush);
  let sending: Promise<void> | undefined;

  function measure(name: string, label: string, ms: number): void {
    const series = gathered.get(name)?.get(label) ?? begin(name, label);
    if (series === undefined) return;
    // Clocks of two machines may differ: nothing takes less than no time.
    const took = ms > 0 ? ms : 0;
    series.n++;
    series.ms += took;
    series.counts[bucketOf(took)]++;
  }

  function begin(name: string, label: string): Measurement | undefined {
    if (held >= maxSeries) return undefined;
    const series = { name, label, n: 0, ms: 0, counts: new Array(BUCKETS_MS.length + 1).fill(0) };
    hold(series);
    sendLater.begin();
    return series;
  }

  function hold(series: Measurement): void {
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
        log.error("measurements were refused by the database and are dropped", {
          error,
          series: group.length,
        });
        return;
      }
      log.warn("measurements could not be sent and are kept", { error });
      group.forEach(keep);
      sendLater.begin();
    });
    await sending;
  }

  function keep(series: Measurement): void {
    const since = gathered.get(series.name)?.get(series.label);
    if (since === undefined) return hold(series);
    since.n += series.n;
    since.ms += series.ms;
    for (let i = 0; i < since.counts.length; i++) since.counts[i] += series.counts[i];
  }

  return { measure, flush };
}

/** Place of the bucket that a duration falls into. */
function bucketOf(ms: number): number {
  let i = 0;
  while (i < BUCKETS_MS.length && ms > BUCKETS_MS[i]) i++;
  return i;
}

const shared = createMeasurements({
  send(measurements) {
    // A process that has no database (a deployment check, a unit test) has nobody to tell.
    if (configFaults("SUPABASE_URL", "SUPABASE_SECRET_KEYS").length > 0) return Promise.resolve();
    return rpc("add_measurements", { p_measurements: measurements });
  },
});

/** Adds one duration to a series of this process. Costs a map entry; sent within seconds. */
export const measure: Measurements["measure"] = shared.measure;

/** Sends this process's measurements now; for whoever stops it. Never rejects. */
export const flushMeasurements: Measurements["flush"] = shared.flush;

// The platform says when it is about to end the process, though not always.
globalThis.addEventListener("beforeunload", () => waitUntil(flushMeasurements()));
