/**
 * The sequential tests of the guard: an e-CUSUM for each alternative "the failures are r times the allowed
 * rate". They may be evaluated as often as one likes without more false alarms. Pure.
 *
 * They move only when somebody with the flag fails, because only then can S grow. The minutes in between are
 * collected and processed first. `private.guard_test` in SQL does the same.
 *
 * @module
 */
import { nothing, type Tally } from "./minutes.ts";

/** Multiples of the allowed rate (absolute) or of the other arm's rate (relative) that are tested for. */
export const ALTERNATIVES: readonly number[] = [1.5, 2, 3, 5, 10];

/**
 * The arm without the flag is in trouble itself if its S, for twice the allowed rate, reaches ln(100), in
 * millionths. S is capped at twice that, so that it falls soon after.
 */
export const TROUBLE = 4_605_170;

/**
 * An alarm is S at or above ln(5 * 10^4), in millionths: with five alternatives, false alarms are at least
 * 10^4 minutes, a week, apart on average, even at exactly the allowed rate. Blame needs twice that while the
 * control is in trouble itself.
 */
export const ALARM = 10_819_778;

/**
 * More fail than the stage allows, and the control is not in trouble: the problem is in the flag's arm alone,
 * and less evidence is enough for blame, ln(10^3) in millionths.
 */
export const SUPPORTED = 6_907_755;

/** Still less is enough if all of that lasts, ln(100) in millionths. */
export const LASTING = 4_605_170;

/** S of the arm without the flag, for twice the allowed rate, below which it looks healthy, ln(5) in millionths. */
const HEALTHY = 1_609_438;

/** S of the relative test at which the arm with the flag becomes suspect, ln(40) in millionths. */
export const SUSPECT = 3_688_879;

/** S of the relative test below which there is no evidence against the flag, in millionths. */
export const CALM = 1_000_000;

/**
 * Outcomes of one arm may arrive this many minutes after those of the other, which meanwhile looks like the
 * flag's fault: blame waits until the control would have shown the same trouble.
 */
export const LAG = 5;

/** How far S, in millionths, may be above what is enough for blame if it has grown steadily. */
const LEAP = 5_500_000;

/**
 * A suspicion that starts within this many minutes of calm is one event, not accumulated chance before
 * another event.
 */
export const EVENT = 15;

/**
 * Minutes of ordinary scatter that the measured over-dispersion is averaged with, because a few minutes prove
 * nothing.
 */
const PRIOR_MINUTES = 10;

/** Largest failure rate that an alternative stands for. */
const MOST = 0.95;

/** One monitored quantity: failures, or slow outcomes. */
export interface Series {
  /** Since the stage began. */
  on: Tally;
  off: Tally;
  /** Since the last failure with the flag; not yet in S. */
  quiet: { on: number; off: number; failed: number };
  /** S of each alternative, in millionths. */
  absolute: number[];
  relative: number[];
  /** S of the arm without the flag, for twice the allowed rate, in millionths. */
  trouble: number;
  relation: Suspicion;
  /** Minute in which the arm without the flag got into trouble; 0 once its S is back at 0. */
  shared: number;
  /** The last minute in which S of the arm without the flag rose while somebody with it failed; 0 for none. */
  rose: number;
}

/** The minutes since which S of a comparison has been at each level; 0 for never. */
export interface Suspicion {
  /** The last minute below {@linkcode CALM}. */
  calm: number;
  /** First minute at {@linkcode SUSPECT}. */
  suspect: number;
  /** First minute at {@linkcode LASTING} while the absolute test was at {@linkcode ALARM}. */
  lasting: number;
  /** First minute at {@linkcode ALARM}. */
  certain: number;
}

/** Nothing suspected yet. */
export function noSuspicion(): Suspicion {
  return { calm: 0, suspect: 0, lasting: 0, certain: 0 };
}

/**
 * Records S of a comparison after a minute, and its previous value. Chance alone can reach suspicion too, so
 * it counts as a beginning only if the absolute test shows more than the stage allows.
 */
export function suspects(
  suspicion: Suspicion,
  minute: number,
  before: number,
  after: number,
  absolute: number,
): void {
  if (Math.min(before, after) < CALM) suspicion.calm = minute;
  if (after < SUSPECT || absolute < CALM) suspicion.suspect = 0;
  else if (suspicion.suspect === 0) suspicion.suspect = minute;
  if (after < LASTING || absolute < ALARM) suspicion.lasting = 0;
  else if (suspicion.lasting === 0) suspicion.lasting = minute;
  if (after < ALARM) suspicion.certain = 0;
  else if (suspicion.certain === 0) suspicion.certain = minute;
}

/**
 * Whether S of a comparison blames the flag, and has for longer than the other arm may be late. Three ways:
 *
 * - it is `enough`, and has been certain for that long; twice as long while the other arm is in trouble;
 * - it is `enough`, grew steadily from a recent calm, and has been suspect for that long;
 * - it has been {@linkcode LASTING} for twice that long, and the other arm looks healthy: what grows slowly, such as
 *   five times a base of 1 % at 10 outcomes a minute, seldom becomes certain.
 *
 * A jump may be a different event, and so may anything while the other arm is in trouble: only certainty counts
 * then. While S of the other arm rises, blame waits: it may only be late.
 *
 * @param trouble S of the arm without the flag.
 * @param rose The last minute in which that rose.
 */
export function blames(
  { calm, suspect, lasting, certain }: Suspicion,
  minute: number,
  { s, enough, troubled, trouble, rose }: {
    s: number;
    enough: number;
    troubled: boolean;
    trouble: number;
    rose: number;
  },
): boolean {
  if (!troubled && rose === minute) return false;
  const lasts = (since: number, minutes: number) => since > 0 && minute - since >= minutes;
  if (!troubled && trouble < HEALTHY && lasts(lasting, 2 * LAG)) return true;
  if (s < enough) return false;
  if (lasts(certain, troubled ? 2 * LAG : LAG)) return true;
  return !troubled && s < enough + LEAP && lasts(suspect, LAG) && minute - calm <= EVENT;
}

/** Initial state of a series. */
export function series(): Series {
  const zeros = () => ALTERNATIVES.map(() => 0);
  return {
    on: nothing(),
    off: nothing(),
    quiet: { on: 0, off: 0, failed: 0 },
    absolute: zeros(),
    relative: zeros(),
    trouble: 0,
    relation: noSuspicion(),
    shared: 0,
    rose: 0,
  };
}

/**
 * Processes a span of both arms.
 *
 * @param p0 The allowed rate.
 * @param minute Its last minute.
 * @param on If it contains failures, the span is a single minute.
 * @returns Whether S moved.
 */
export function test(series: Series, p0: number, minute: number, on: Tally, off: Tally): boolean {
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
  share(series, minute);
  series.quiet = { on: 0, off: 0, failed: 0 };
  const before = Math.max(...series.relative), healthier = series.trouble;
  move(series, p0, on.n, on.k, off.n, off.k, scattered);
  if (series.trouble > healthier) series.rose = minute;
  share(series, minute);
  suspects(series.relation, minute, before, Math.max(...series.relative), Math.max(...series.absolute));
  return true;
}

/** The other arm shows the same problem as the flag's arm, perhaps only later: start the comparison again. */
function share(series: Series, minute: number): void {
  if (series.trouble >= TROUBLE && series.shared === 0) {
    series.shared = minute;
    series.relative.fill(0);
  } else if (series.trouble === 0) {
    series.shared = 0;
  }
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
  const trouble = series.trouble + step(nOff, kOff, p0, 2, 1000);
  series.trouble = Math.min(2 * TROUBLE, Math.max(0, trouble));
  if (nOn === 0 || nOff === 0 || kOn + kOff === 0) return;
  for (let i = 0; i < ALTERNATIVES.length; i++) {
    const r = ALTERNATIVES[i];
    const x = kOn * micro(Math.log(r)) + (kOn + kOff) * micro(Math.log((nOn + nOff) / (r * nOn + nOff)));
    relative[i] = Math.max(0, relative[i] + Math.trunc(x * 1000 / scattered));
  }
}

/** How strongly n outcomes, k of them failures, support the rate r p0 over p0. */
function step(n: number, k: number, p0: number, alternative: number, scattered: number): number {
  const r = Math.min(alternative, MOST / p0);
  const x = k * micro(Math.log(r)) + (n - k) * micro(Math.log((1 - r * p0) / (1 - p0)));
  return Math.trunc(x * 1000 / scattered);
}

function micro(logarithm: number): number {
  return Math.round(logarithm * 1_000_000);
}

/**
 * How much more the minutes scatter than independent outcomes would, in thousandths, at least 1000: Pearson's
 * chi² divided by its degrees of freedom. Failures that come in threes scatter three times as much, and each
 * counts as a third.
 */
export function scatter({ n, k, q, m }: Tally): number {
  if (k === 0 || k === n || m < 2) return 1000;
  const p = k / n;
  const chi2 = (q / 1_000_000 - k * k / n) / (p * (1 - p));
  return Math.max(1000, Math.floor(1000 * (chi2 + PRIOR_MINUTES) / (m - 1 + PRIOR_MINUTES)));
}
