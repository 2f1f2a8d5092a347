/** Traffic under a flag, minute by minute, from a seed: the same days in every run. */
import type { Counts, Minute } from "../../supabase/functions/_shared/rollouts/minutes.ts";

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
  /** Outcomes a minute, on average: Poisson. */
  perMinute: number;
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
  if (traffic === undefined) return { n: 0, failed: 0, timed: 0, slow: 0, late: 0, ms: 0 };
  const { perMinute, failing, burst = 1, slow = 0.02 } = traffic;
  const rate = typeof failing === "number" ? failing : failing(minute);
  let n = poisson(random, perMinute);
  const events = binomial(random, n, rate / burst);
  const failed = events * burst;
  n += events * (burst - 1);
  const slowed = binomial(random, n, slow);
  return { n, failed, timed: n, slow: slowed, late: slowed, ms: n * 100 + slowed * 2000 };
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
