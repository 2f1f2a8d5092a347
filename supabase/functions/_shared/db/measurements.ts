/**
 * How often things happened and how long they took, for people to look at: summed in memory, sent in groups.
 * Use {@linkcode count} for events without a duration.
 *
 * Failure policy: open, as in `gathered.ts`. It is never on a request's path.
 *
 * @module
 */
import { rpc } from "./client.ts";
import { createGathered, flushAtEnd, toDatabase } from "./gathered.ts";

/**
 * Upper bounds of the buckets in milliseconds, as in `private.latency_buckets`. One more bucket holds
 * everything slower.
 */
export const BUCKETS_MS: readonly number[] = [
  ...[1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 1500, 2000, 3000],
  ...[5000, 10_000, 30_000, 60_000, 300_000],
];

/** One series of a group, as `add_measurements` takes it. */
export interface Measurement {
  readonly name: string;
  readonly label: string;
  n: number;
  /** Total milliseconds. */
  ms: number;
  /** Number of durations in each bucket. */
  readonly counts: number[];
}

/** Measurements in memory; see {@linkcode createMeasurements}. */
export interface Measurements {
  /**
   * Adds one duration to the series `name` under `label`. The name is a constant of the code; a label
   * consists of such constants, statuses and names that operators chose, separated by spaces, never of data
   * from a caller.
   */
  measure(name: string, label: string, ms: number): void;
  /** Creates a function that adds to one series: for what is measured at each request. */
  measuring(name: string, label: string): (ms: number) => void;
  /** Sends what has been collected. Never rejects. */
  flush(): Promise<void>;
}

/** Options of {@linkcode createMeasurements}. */
export interface MeasurementsOptions {
  /** Sends one group. */
  send(measurements: Measurement[]): Promise<unknown>;
  /** Milliseconds from the first measurement of a group to its sending. @default {2000} */
  delayMs?: number;
  /** Most series in memory; others are dropped until the next group is sent. @default {300} */
  maxSeries?: number;
}

/** Creates measurements; the functions share {@linkcode measure}. */
export function createMeasurements({ send, delayMs, maxSeries = 300 }: MeasurementsOptions): Measurements {
  const { of, held, flush } = createGathered<Measurement>({
    what: "measurements",
    empty: (name, label) => ({ name, label, n: 0, ms: 0, counts: new Array(BUCKETS_MS.length + 1).fill(0) }),
    add: (to, from) => {
      to.n += from.n;
      to.ms += from.ms;
      for (let i = 0; i < to.counts.length; i++) to.counts[i] += from.counts[i];
    },
    send,
    delayMs,
    max: maxSeries,
  });

  function add(series: Measurement | undefined, ms: number): void {
    if (series === undefined) return;
    // Clocks of two machines may differ: nothing takes less than no time.
    const took = ms > 0 ? ms : 0;
    series.n++;
    series.ms += took;
    series.counts[bucketOf(took)]++;
  }

  function measuring(name: string, label: string): (ms: number) => void {
    const series = held(name, label);
    return (ms) => add(series(), ms);
  }

  return { measure: (name, label, ms) => add(of(name, label), ms), measuring, flush };
}

/** Index of the bucket of a duration. */
function bucketOf(ms: number): number {
  let i = 0;
  while (i < BUCKETS_MS.length && ms > BUCKETS_MS[i]) i++;
  return i;
}

const shared = createMeasurements({
  send: toDatabase((measurements) => rpc("add_measurements", { p_measurements: measurements })),
});

/** Adds one duration to a series of this process. Costs a map entry; sent within seconds. */
export const measure: Measurements["measure"] = shared.measure;

/** See {@linkcode Measurements.measuring}, for the series of this process. */
export const measuring: Measurements["measuring"] = shared.measuring;

/** Sends this process's measurements now; called before the process stops. Never rejects. */
export const flushMeasurements: Measurements["flush"] = shared.flush;

flushAtEnd(flushMeasurements);
