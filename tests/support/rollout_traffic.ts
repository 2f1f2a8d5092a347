/** Traffic under a flag, minute by minute, from a seed: the same days in every run. */
import { EDGES_MS } from "../../supabase/functions/_shared/rollouts/latency.ts";
import {
  type Counts,
  type Minute,
  none,
  robustMs,
  scores,
} from "../../supabase/functions/_shared/rollouts/minutes.ts";

/** Milliseconds above which a minute's `slow` and `late` count, and the mean that plain thresholds look for. */
export const SLOW_MS = 1000;
export const LATE_MS = 400;
export const MEAN_MS = 500;

/** The histogram of such a minute: what is not late takes between 300 and 400 ms. */
export function histogramOf({ timed, slow, late }: Pick<Counts, "timed" | "slow" | "late">): number[] {
  return EDGES_MS.map((edge) => timed - (edge >= SLOW_MS ? slow : edge >= LATE_MS ? late : timed));
}

/** Counts as the guard takes them, from what a minute of such traffic has. */
export function countsOf(
  counts: Pick<Counts, "n" | "failed" | "timed" | "slow" | "late" | "ms"> & { again?: number },
): Counts {
  const le = histogramOf(counts);
  const [score, score2] = scores(counts.timed, le);
  const ms = robustMs(counts.ms, counts.timed, le, [], MEAN_MS);
  return { ...none(), ...counts, ms, score, score2 };
}

/** Marsaglia's xorshift32, from 0 to below 1. */
export function xorshift(seed: number): () => number {
  // Seeds near each other begin alike.
  let x = Math.imul(seed, 0x9e3779b1) | 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
}

/** One arm's traffic. */
export interface ArmTraffic {
  /** Outcomes a minute, on average: Poisson; by minute where it changes. */
  perMinute: number | ((minute: number) => number);
  /** Somebody who fails each minute, beside the others. @default {false} */
  tormented?: boolean;
  /** Share that fails; by minute where it changes. */
  failing: number | ((minute: number) => number);
  /** Failures come in groups of so many, in one minute. @default {1} */
  burst?: number;
  /** Share above the limit of p95. @default {0.02} */
  slow?: number;
}

export interface Traffic {
  on: ArmTraffic;
  off?: ArmTraffic;
}

/** Minutes from 1, each as the guard takes it. */
export function* minutesOfDay(
  random: () => number,
  { on, off }: Traffic,
  minutes: number,
): Generator<Minute> {
  for (let minute = 1; minute <= minutes; minute++) {
    yield { minute, on: arm(random, on, minute), off: arm(random, off, minute) };
  }
}

function arm(random: () => number, traffic: ArmTraffic | undefined, minute: number): Counts {
  if (traffic === undefined) return none();
  const { perMinute, failing, burst = 1, slow = 0.02, tormented = false } = traffic;
  const rate = typeof failing === "number" ? failing : failing(minute);
  let n = poisson(random, typeof perMinute === "number" ? perMinute : perMinute(minute));
  const events = binomial(random, n, rate / burst);
  const again = tormented && minute > 1 ? 1 : 0;
  const failed = events * burst + (tormented ? 1 : 0);
  n += events * (burst - 1) + (tormented ? 1 : 0);
  const slowed = binomial(random, n, slow);
  return countsOf({ n, failed, again, timed: n, slow: slowed, late: slowed, ms: n * 100 + slowed * 2000 });
}

function binomial(random: () => number, n: number, p: number): number {
  let k = 0;
  for (let i = 0; i < n; i++) if (random() < p) k++;
  return k;
}

function poisson(random: () => number, mean: number): number {
  const limit = Math.exp(-mean);
  let k = 0;
  for (let product = random(); product > limit; product *= random()) k++;
  return k;
}
