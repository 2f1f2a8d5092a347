/**
 * The sequential tests of the guard: an e-CUSUM for each alternative "the failures are r times what they may be", which
 * may be looked at as often as one likes without raising false alarms. Pure.
 *
 * They move when somebody with the flag fails: only then can S grow. What the minutes between come to is kept aside, and
 * taken in first. `private.guard_test` in SQL does the same.
 *
 * @module
 */
import { nothing, type Tally } from "./minutes.ts";

/** Multiples of the allowed (absolute) or the other arm's (relative) rate that are looked for. */
export const ALTERNATIVES: readonly number[] = [1.5, 2, 3, 5, 10];

/**
 * The arm without the flag is in trouble itself when its S, for twice the allowed rate, reaches ln(100), in millionths.
 * S is kept at most twice as high, so that it falls soon after.
 */
export const TROUBLE = 4_605_170;

/** Minutes of ordinary scatter that the measured over-dispersion is averaged with: a few minutes prove nothing. */
const PRIOR_MINUTES = 10;

/** Largest failure rate that an alternative stands for. */
const MOST = 0.95;

/** One thing watched: failures, or slow ones. */
export interface Series {
  /** Since the stage began. */
  on: Tally;
  off: Tally;
  /** Since somebody with the flag last failed; not yet in S. */
  quiet: { on: number; off: number; failed: number };
  /** S of each alternative, in millionths. */
  absolute: number[];
  relative: number[];
  /** S of the arm without the flag, for twice what is allowed, in millionths. */
  trouble: number;
}

/** Nothing seen yet. */
export function series(): Series {
  const zeros = () => ALTERNATIVES.map(() => 0);
  return {
    on: nothing(),
    off: nothing(),
    quiet: { on: 0, off: 0, failed: 0 },
    absolute: zeros(),
    relative: zeros(),
    trouble: 0,
  };
}

/**
 * Takes in a span of both arms.
 *
 * @param p0 The allowed rate.
 * @param on With failures, it is of a single minute.
 * @returns Whether S moved.
 */
export function test(series: Series, p0: number, on: Tally, off: Tally): boolean {
  const { quiet } = series;
  add(series.on, on);
  add(series.off, off);
  if (on.k === 0) {
    quiet.on += on.n;
    quiet.off += off.n;
    quiet.failed += off.k;
    return false;
  }
  const scattered = Math.max(scatter(series.on), scatter(series.off));
  move(series, p0, quiet.on, 0, quiet.off, quiet.failed, scattered);
  series.quiet = { on: 0, off: 0, failed: 0 };
  move(series, p0, on.n, on.k, off.n, off.k, scattered);
  return true;
}

function add(sum: Tally, { n, k, q, m }: Tally): void {
  sum.n += n;
  sum.k += k;
  sum.q += q;
  sum.m += m;
}

/** Moves each S by n outcomes of each arm, k of them failures. */
function move(
  series: Series,
  p0: number,
  nOn: number,
  kOn: number,
  nOff: number,
  kOff: number,
  scattered: number,
): void {
  const { absolute, relative } = series;
  for (let i = 0; i < ALTERNATIVES.length; i++) {
    absolute[i] = Math.max(0, absolute[i] + step(nOn, kOn, p0, ALTERNATIVES[i], scattered));
  }
  const trouble = series.trouble + step(nOff, kOff, p0, 2, scattered);
  series.trouble = Math.min(2 * TROUBLE, Math.max(0, trouble));
  if (nOn === 0 || nOff === 0 || kOn + kOff === 0) return;
  for (let i = 0; i < ALTERNATIVES.length; i++) {
    const r = ALTERNATIVES[i];
    const x = kOn * micro(Math.log(r)) + (kOn + kOff) * micro(Math.log((nOn + nOff) / (r * nOn + nOff)));
    relative[i] = Math.max(0, relative[i] + Math.trunc(x * 1000 / scattered));
  }
}

/** How far n outcomes, k of them failures, speak for the rate r p0 rather than p0. */
function step(n: number, k: number, p0: number, alternative: number, scattered: number): number {
  const r = Math.min(alternative, MOST / p0);
  const x = k * micro(Math.log(r)) + (n - k) * micro(Math.log((1 - r * p0) / (1 - p0)));
  return Math.trunc(x * 1000 / scattered);
}

function micro(logarithm: number): number {
  return Math.round(logarithm * 1_000_000);
}

/**
 * How much more the minutes scatter than independent outcomes would, in thousandths, at least 1000: Pearson's chi² by its
 * degrees of freedom. Failures that come in threes scatter three times as much, and count a third each.
 */
export function scatter({ n, k, q, m }: Tally): number {
  if (k === 0 || k === n || m < 2) return 1000;
  const p = k / n;
  const chi2 = (q / 1_000_000 - k * k / n) / (p * (1 - p));
  return Math.max(1000, Math.floor(1000 * (chi2 + PRIOR_MINUTES) / (m - 1 + PRIOR_MINUTES)));
}
