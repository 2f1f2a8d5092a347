/**
 * The guard of a rollout: whether what people meet with the flag on says go on, wait, or go back. Pure.
 *
 * Sequential tests (series.ts), because it looks every minute. Two questions are kept apart:
 *
 * - **absolute**: do more fail than the stage allows? Something is wrong.
 * - **relative**: do more fail with the flag on than without it, at the same time? Then it is the flag.
 *
 * `private.guard_*` in SQL decides, once a minute; this decides the same from the same counts, so that a verdict can be
 * recomputed from its evidence. Both count in whole millionths (logarithms are rounded to 10^-6 before anything is
 * added up), and do the few fractions in the same order, so they agree to the last digit.
 *
 * @see docs/rollouts.md
 * @module
 */
import { type Counts, none, type Span } from "./minutes.ts";
import { type Series, series, test, TROUBLE } from "./series.ts";

/**
 * An alarm is S at or above ln(5 * 10^4), in millionths: with five alternatives 10^4 minutes or more, a week, lie between
 * false alarms, on average and at the very limit of what is allowed. Blame takes twice that while the control is in
 * trouble itself.
 */
export const ALARM = 10_819_778;

/**
 * More fail than the stage allows, and the control is not in trouble: something is wrong with the flag's arm alone, and a
 * tenth of the evidence is enough for blame, ln(5 * 10^3) in millionths.
 */
export const SUPPORTED = 8_517_193;

/** Where it stays unclear whether it is the flag, somebody is paged at so many times the alarm. */
export const UNCLEAR = 4;

/** A control this many times smaller than what it is compared with, over the whole stage, is none. */
export const CONTROL_RATIO = 20;

/** "p95 above L" is "more than this share slower than L". */
export const SLOW_SHARE = 0.05;

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
  | "p95_absolute"
  | "error_rate_unclear"
  | "p95_unclear";

/** The guard acts: the flag is to blame, or something that both arms share, or people have to look. */
export interface Alarm {
  verdict: "roll_back" | "page";
  rule: AlarmRule;
  minute: number;
}

/**
 * The last minute of a span, and S of each test after it in millionths, the largest over the alternatives: errors absolute and relative,
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

/**
 * Takes in minutes, in order, up to the first alarm.
 *
 * @param state Changed in place. Spans at or before `state.minute` only serve the plain thresholds as what came before.
 * @param path Gets a point for each span taken in.
 * @returns The alarm at which it stopped, or undefined when all minutes were taken in.
 */
export function take(watch: Watch, state: State, spans: readonly Span[], path?: Point[]): Alarm | undefined {
  for (let i = 0; i < spans.length; i++) {
    const { minute, heard, on, errors, slowness } = spans[i];
    if (minute <= state.minute) continue;
    state.minute = minute;
    state.heard = Math.max(state.heard, heard);
    const { seen } = state;
    seen.n += on.n;
    seen.failed += on.failed;
    seen.timed += on.timed;
    seen.late += on.late;
    const moved = [
      watch.error_rate !== null && test(state.errors, watch.error_rate, errors.on, errors.off),
      watch.p95_ms !== null && test(state.slow, SLOW_SHARE, slowness.on, slowness.off),
    ].includes(true);
    path?.push(point(state));
    const alarm = (moved ? relative(watch, state) : undefined) ?? plain(watch, state, spans, i) ??
      (moved ? absolute(watch, state) : undefined);
    if (alarm?.verdict === "roll_back") return alarm;
    if (alarm !== undefined || (watch.no_errors && on.failed > 0) || (moved && alarming(state))) {
      // What counts for going on starts over; what was learnt about the flag's own fault stays.
      state.since = minute + 1;
      state.seen = { n: 0, failed: 0, timed: 0, late: 0 };
    }
    if (alarm !== undefined) {
      state.errors.absolute.fill(0);
      state.slow.absolute.fill(0);
      state.window = state.since;
      return alarm;
    }
  }
}

function point({ minute, errors, slow }: State): Point {
  return [minute, ...[errors.absolute, errors.relative, slow.absolute, slow.relative].map(highest)] as Point;
}

function highest(s: readonly number[]): number {
  return Math.max(...s);
}

function alarming({ errors, slow }: State): boolean {
  return highest(errors.absolute) >= ALARM || highest(slow.absolute) >= ALARM;
}

/** The flag's own fault: more with it than without it. */
function relative({ control }: Watch, { minute, errors, slow }: State): Alarm | undefined {
  if (!control) return;
  const troubled = Math.max(errors.trouble, slow.trouble) >= TROUBLE;
  for (const [series, rule] of [[errors, "error_rate_relative"], [slow, "p95_relative"]] as const) {
    const enough = troubled ? 2 * ALARM : highest(series.absolute) >= ALARM ? SUPPORTED : ALARM;
    if (highest(series.relative) >= enough) return { verdict: "roll_back", rule, minute };
  }
}

/** More than the stage allows. Shared where the control is in trouble too; where it is not, the relative test decides. */
function absolute({ control }: Watch, { minute, errors, slow }: State): Alarm | undefined {
  for (const [series, what] of [[errors, "error_rate"], [slow, "p95"]] as const) {
    const s = highest(series.absolute);
    if (s < ALARM) continue;
    if (!control || series.off.n * CONTROL_RATIO < series.on.n) {
      return { verdict: "roll_back", rule: `${what}_absolute`, minute };
    }
    if (series.trouble >= TROUBLE) return { verdict: "page", rule: `${what}_absolute`, minute };
    if (s >= UNCLEAR * ALARM) return { verdict: "page", rule: `${what}_unclear`, minute };
  }
}

/** A plain threshold over the last minutes; shared where the control breaks it too. */
function plain(watch: Watch, state: State, spans: readonly Span[], at: number): Alarm | undefined {
  if (watch.plain === null) return;
  const { minute } = state;
  const { error_rate, mean_ms, min_samples } = watch.plain;
  const [on, off] = recent(Math.max(minute - watch.plain.minutes + 1, state.window), spans, at);
  const alarm = (rule: AlarmRule, breaks: (counts: Counts) => boolean): Alarm | undefined =>
    breaks(on) ? { verdict: watch.control && breaks(off) ? "page" : "roll_back", rule, minute } : undefined;
  return (error_rate === null ? undefined : alarm(
    "error_rate_plain",
    ({ n, failed }) => n >= min_samples && failed > error_rate * n,
  )) ?? (mean_ms === null ? undefined : alarm(
    "mean_plain",
    ({ timed, ms }) => timed >= min_samples && ms > mean_ms * timed,
  ));
}

/** Sums of both arms from the minute `from` up to `spans[at]`. */
function recent(from: number, spans: readonly Span[], at: number): [Counts, Counts] {
  const sums: [Counts, Counts] = [none(), none()];
  for (let i = at; i >= 0 && spans[i].minute >= from; i--) {
    for (const [sum, counts] of [[sums[0], spans[i].on], [sums[1], spans[i].off]]) {
      sum.n += counts.n;
      sum.failed += counts.failed;
      sum.timed += counts.timed;
      sum.ms += counts.ms;
    }
  }
  return sums;
}
