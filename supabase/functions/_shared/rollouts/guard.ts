/**
 * The guard of a rollout: whether what people meet with the flag on says go on, wait, or go back. Pure.
 *
 * Sequential, because it looks every minute: an e-CUSUM for each alternative "the failures are r times what they may
 * be", which may be looked at as often as one likes without raising false alarms. Two questions are kept apart:
 *
 * - **absolute**: do more fail than the stage allows? Something is wrong.
 * - **relative**: do more fail with the flag on than without it, in the same minutes? Then it is the flag.
 *
 * `private.guard_*` in SQL decides, once a minute; this decides the same from the same counts, so that a verdict can be
 * recomputed from its evidence. Both count in whole millionths (logarithms are rounded to 10^-6 before anything is
 * added up), and do the few fractions in the same order, so they agree to the last digit.
 *
 * @see docs/rollouts.md
 * @module
 */
import { surelyBelow } from "./confidence.ts";

/** Multiples of the allowed (absolute) or the other arm's (relative) rate that are looked for. */
export const ALTERNATIVES: readonly number[] = [1.5, 2, 3, 5, 10];

/**
 * An alarm is S at or above ln(5 * 10^4), in millionths: with five alternatives 10^4 minutes or more, a week, lie between
 * false alarms, on average and at the very limit of what is allowed.
 */
export const ALARM = 10_819_778;

/**
 * The arm without the flag is in trouble itself when its S, for twice the allowed rate, reaches ln(100), in millionths.
 * While it is, blame needs twice the evidence. S is kept at most twice as high, so that it falls soon after.
 */
export const TROUBLE = 4_605_170;

/** A control this many times smaller than what it is compared with, over the whole stage, is none. */
export const CONTROL_RATIO = 20;

/** "p95 above L" is "more than this share slower than L". */
export const SLOW_SHARE = 0.05;

/** Minutes of ordinary scatter that the measured over-dispersion is averaged with: a few minutes prove nothing. */
const PRIOR_MINUTES = 10;

/** Largest failure rate that an alternative stands for. */
const MOST = 0.95;

/** Outcomes of one arm in one minute; at most one a person. */
export interface Counts {
  /** Outcomes. */
  n: number;
  failed: number;
  /** Outcomes whose time is known. */
  timed: number;
  /** Slower than the stage's `roll_back_when.p95_ms_above`. */
  slow: number;
  /** Slower than the stage's `advance_when.p95_ms_below`. */
  late: number;
  /** Milliseconds of all that were timed. */
  ms: number;
}

/** One minute of both arms. */
export interface Minute {
  /** Minutes since 1970. */
  minute: number;
  on: Counts;
  off: Counts;
}

/** What the guard watches during a stage. */
export interface Watch {
  /** Whether there are people without the flag to compare with. */
  control: boolean;
  /** `roll_back_when.error_rate_above`; null: errors are not watched. */
  error_rate: number | null;
  /** `roll_back_when.p95_ms_above`; null: slowness is not watched. */
  p95_ms: number | null;
  /** Plain thresholds over the last minutes; null when there are none. */
  plain: { minutes: number; min_samples: number; error_rate: number | null; mean_ms: number | null } | null;
  /** `advance_when.no_errors`: a failure begins the stage anew. */
  no_errors: boolean;
}

/** What has been added up for one arm since the stage began. */
export interface Tally {
  n: number;
  k: number;
  /** Sum of k² / n over the minutes, in millionths, each rounded down. */
  q: number;
  /** Minutes with outcomes. */
  m: number;
}

/** One thing watched: failures, or slow ones. */
export interface Series {
  on: Tally;
  off: Tally;
  /** S of each alternative, in millionths. */
  absolute: number[];
  relative: number[];
  /** S of the arm without the flag, for twice what is allowed, in millionths. */
  trouble: number;
}

/** All that the guard remembers from minute to minute. */
export interface State {
  /** The last minute that was taken in. */
  minute: number;
  /** First minute that counts for going on: the stage's first, or the one after the last incident. */
  since: number;
  /** First minute that counts for the plain thresholds. */
  window: number;
  /** Last minute with an outcome while the flag was on; 0 for none. */
  heard: number;
  /** Outcomes with the flag on, since `since`. */
  seen: { n: number; failed: number; timed: number; late: number };
  errors: Series;
  slow: Series;
}

/** Why the guard acts. */
export type AlarmRule =
  | "error_rate_relative"
  | "p95_relative"
  | "error_rate_plain"
  | "mean_plain"
  | "error_rate_absolute"
  | "p95_absolute";

/** The guard acts: the flag is to blame, or something that both arms share. */
export interface Alarm {
  verdict: "roll_back" | "page";
  rule: AlarmRule;
  minute: number;
}

/**
 * A minute, and S of each test after it in millionths, the largest over the alternatives: errors absolute and relative,
 * slowness absolute and relative.
 */
export type Point = [
  minute: number,
  errors: number,
  errorsRelative: number,
  slow: number,
  slowRelative: number,
];

/** The beginning of a stage whose first whole minute is `minute`. */
export function begin(minute: number): State {
  return {
    minute: minute - 1,
    since: minute,
    window: minute,
    heard: 0,
    seen: { n: 0, failed: 0, timed: 0, late: 0 },
    errors: series(),
    slow: series(),
  };
}

function series(): Series {
  const tally = () => ({ n: 0, k: 0, q: 0, m: 0 });
  const zeros = () => ALTERNATIVES.map(() => 0);
  return { on: tally(), off: tally(), absolute: zeros(), relative: zeros(), trouble: 0 };
}

/**
 * Takes in minutes, in order, up to the first alarm.
 *
 * @param state Changed in place. Minutes at or before `state.minute` only serve the plain thresholds as what came before.
 * @param path Gets a point for each minute taken in.
 * @returns The alarm at which it stopped, or undefined when all minutes were taken in.
 */
export function take(
  watch: Watch,
  state: State,
  minutes: readonly Minute[],
  path?: Point[],
): Alarm | undefined {
  for (let i = 0; i < minutes.length; i++) {
    const { minute, on, off } = minutes[i];
    if (minute <= state.minute) continue;
    state.minute = minute;
    if (on.n > 0) state.heard = minute;
    const { seen, errors, slow } = state;
    seen.n += on.n;
    seen.failed += on.failed;
    seen.timed += on.timed;
    seen.late += on.late;
    if (watch.error_rate !== null) test(errors, watch.error_rate, on.n, on.failed, off.n, off.failed);
    if (watch.p95_ms !== null) test(slow, SLOW_SHARE, on.timed, on.slow, off.timed, off.slow);
    path?.push(point(state));
    const alarm = judge(watch, state, minutes, i);
    if (alarm !== undefined) {
      if (alarm.verdict === "page") {
        beginAnew(state);
        state.window = state.since;
      }
      return alarm;
    }
    if (watch.no_errors && on.failed > 0) beginAnew(state);
  }
}

/** What counts for going on starts over; what was learnt about the flag's own fault stays. */
function beginAnew(state: State): void {
  state.since = state.minute + 1;
  state.seen = { n: 0, failed: 0, timed: 0, late: 0 };
  state.errors.absolute.fill(0);
  state.slow.absolute.fill(0);
}

/** Moves both tests of a series by one minute. */
function test(series: Series, p0: number, nOn: number, kOn: number, nOff: number, kOff: number): void {
  const { on, off, absolute, relative } = series;
  count(on, nOn, kOn);
  count(off, nOff, kOff);
  const scatterOn = scatter(on);
  const scatterOff = scatter(off);
  const scatterBoth = Math.max(scatterOn, scatterOff);
  for (let i = 0; i < ALTERNATIVES.length; i++) {
    absolute[i] = Math.max(0, absolute[i] + step(nOn, kOn, p0, ALTERNATIVES[i], scatterOn));
  }
  const trouble = series.trouble + step(nOff, kOff, p0, 2, scatterOff);
  series.trouble = Math.min(2 * TROUBLE, Math.max(0, trouble));
  if (nOn === 0 || nOff === 0 || kOn + kOff === 0) return;
  for (let i = 0; i < ALTERNATIVES.length; i++) {
    const r = ALTERNATIVES[i];
    const x = kOn * micro(Math.log(r)) + (kOn + kOff) * micro(Math.log((nOn + nOff) / (r * nOn + nOff)));
    relative[i] = Math.max(0, relative[i] + Math.trunc(x * 1000 / scatterBoth));
  }
}

/** How far n outcomes, k of them failures, speak for the rate r p0 rather than p0. */
function step(n: number, k: number, p0: number, alternative: number, scatter: number): number {
  const r = Math.min(alternative, MOST / p0);
  const x = k * micro(Math.log(r)) + (n - k) * micro(Math.log((1 - r * p0) / (1 - p0)));
  return Math.trunc(x * 1000 / scatter);
}

function micro(logarithm: number): number {
  return Math.round(logarithm * 1_000_000);
}

function count(tally: Tally, n: number, k: number): void {
  if (n === 0) return;
  tally.n += n;
  tally.k += k;
  tally.q += Math.floor(k * k * 1_000_000 / n);
  tally.m += 1;
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

function point({ minute, errors, slow }: State): Point {
  const highest = [errors.absolute, errors.relative, slow.absolute, slow.relative].map((s) => Math.max(...s));
  return [minute, ...highest] as Point;
}

/** Whether the minute just taken in raises an alarm. The flag's own fault comes first. */
function judge(watch: Watch, state: State, minutes: readonly Minute[], at: number): Alarm | undefined {
  const { minute, errors, slow } = state;
  const alarm = (verdict: Alarm["verdict"], rule: AlarmRule): Alarm => ({ verdict, rule, minute });
  if (watch.control) {
    const blame = Math.max(errors.trouble, slow.trouble) >= TROUBLE ? 2 * ALARM : ALARM;
    if (errors.relative.some((s) => s >= blame)) return alarm("roll_back", "error_rate_relative");
    if (slow.relative.some((s) => s >= blame)) return alarm("roll_back", "p95_relative");
  }
  if (watch.plain !== null) {
    const { error_rate, mean_ms, min_samples } = watch.plain;
    const from = Math.max(minute - watch.plain.minutes + 1, state.window);
    const [on, off] = recent(from, minutes, at);
    if (error_rate !== null && on.n >= min_samples && on.failed > error_rate * on.n) {
      const shared = watch.control && off.n >= min_samples && off.failed > error_rate * off.n;
      return alarm(shared ? "page" : "roll_back", "error_rate_plain");
    }
    if (mean_ms !== null && on.timed >= min_samples && on.ms > mean_ms * on.timed) {
      const shared = watch.control && off.timed >= min_samples && off.ms > mean_ms * off.timed;
      return alarm(shared ? "page" : "roll_back", "mean_plain");
    }
  }
  if (errors.absolute.some((s) => s >= ALARM)) {
    return alarm(controlled(watch, errors) ? "page" : "roll_back", "error_rate_absolute");
  }
  if (slow.absolute.some((s) => s >= ALARM)) {
    return alarm(controlled(watch, slow) ? "page" : "roll_back", "p95_absolute");
  }
}

/** Whether there is a control that could have shown that it is the flag. */
function controlled(watch: Watch, { on, off }: Series): boolean {
  return watch.control && off.n * CONTROL_RATIO >= on.n;
}

/** Sums of both arms from the minute `from` up to `minutes[at]`. */
function recent(from: number, minutes: readonly Minute[], at: number): [Counts, Counts] {
  const sums: [Counts, Counts] = [none(), none()];
  for (let i = at; i >= 0 && minutes[i].minute >= from; i--) {
    for (const [sum, counts] of [[sums[0], minutes[i].on], [sums[1], minutes[i].off]]) {
      sum.n += counts.n;
      sum.failed += counts.failed;
      sum.timed += counts.timed;
      sum.ms += counts.ms;
    }
  }
  return sums;
}

/** No outcomes. */
export function none(): Counts {
  return { n: 0, failed: 0, timed: 0, slow: 0, late: 0, ms: 0 };
}

/** What a stage asks for before the next one. */
export interface Criteria {
  hold_minutes: number;
  min_samples: number;
  /** `advance_when.error_rate_below`; null when errors do not matter. */
  error_rate: number | null;
  /** `advance_when.p95_ms_below`; null when slowness does not matter. */
  p95_ms: number | null;
}

/** Why a stage is not over. */
export type HoldReason = "hold_time" | "no_data" | "samples" | "error_rate" | "p95";

/** Whether the next stage may begin. */
export type Progress = { verdict: "advance" } | { verdict: "hold"; reason: HoldReason };

/**
 * Decides whether a stage has shown what it was to show.
 *
 * Failure policy: hold. No data is neither good nor bad, and what has gone silent is no data.
 *
 * @param startedMs When the stage began, in milliseconds since 1970.
 * @param nowMs Now, likewise.
 */
export function progress(
  criteria: Criteria,
  { since, heard, seen }: State,
  startedMs: number,
  nowMs: number,
): Progress {
  const hold = (reason: HoldReason): Progress => ({ verdict: "hold", reason });
  const { hold_minutes, min_samples, error_rate, p95_ms } = criteria;
  if (nowMs - Math.max(startedMs, since * 60_000) < hold_minutes * 60_000) return hold("hold_time");
  // Half an hour without a word, or a quarter of a longer stage: what has gone silent may be broken altogether.
  const silence = Math.max(30, hold_minutes / 4);
  if (seen.n === 0 || nowMs - heard * 60_000 > silence * 60_000) return hold("no_data");
  if (seen.n < min_samples) return hold("samples");
  if (error_rate !== null && !surelyBelow(seen.failed, seen.n, error_rate)) return hold("error_rate");
  if (p95_ms !== null && !surelyBelow(seen.late, seen.timed, SLOW_SHARE)) return hold("p95");
  return { verdict: "advance" };
}
