/**
 * The guard of a rollout: decides from people's outcomes with the flag on whether to advance, hold or roll
 * back. Pure.
 *
 * It uses sequential tests (series.ts), because it decides every minute. Two questions are kept apart:
 *
 * - **absolute**: do more fail than the stage allows? Then something is wrong.
 * - **relative**: do more fail with the flag on than without it, at the same time? Then the flag is the
 *   cause.
 *
 * `private.guard_*` in SQL decides once a minute; this code makes the same decision from the same counts, so
 * that a verdict can be recomputed from its evidence. Both count in whole millionths (logarithms are rounded
 * to 10^-6 before they are summed), and compute the few fractions in the same order, so the results are
 * identical to the last digit.
 *
 * @see docs/rollouts.md
 *
 * @module
 */
import { type Counts, none, type Span } from "./minutes.ts";
import {
  ALARM,
  blames,
  LAG,
  noSuspicion,
  type Series,
  series,
  SUPPORTED,
  type Suspicion,
  test,
  TROUBLE,
} from "./series.ts";
import { compare, type Places, type Shift, shift } from "./shift.ts";

/**
 * S of the relative test that blames the flag if the failures are within what the stage allows, ln(2 * 10^5)
 * in millionths.
 */
const UNSUPPORTED = 12_206_073;

/** S at which people with the flag count as waiting longer, ln(10^5) in millionths. */
const LONGER = 11_512_925;

/**
 * S at which more seem to fail, or to be slower, than the stage allows, with a chance of one in ten that it
 * is not so, in millionths.
 */
const SEEMS = 2_302_585;

/** Multiple of the alarm at which people are paged if it is still unclear whether the flag is the cause. */
export const UNCLEAR = 4;

/** A control this many times smaller than the arm it is compared with, over the whole stage, is not used. */
export const CONTROL_RATIO = 20;

/** "p95 above L" means "more than this share is slower than L". */
export const SLOW_SHARE = 0.05;

/** What the guard monitors during a stage. */
export interface Watch {
  /** Whether there are people without the flag to compare with. */
  control: boolean;
  /** `roll_back_when.error_rate_above`; null if errors are not monitored. */
  error_rate: number | null;
  /** `roll_back_when.p95_ms_above`; null if slowness is not monitored. */
  p95_ms: number | null;
  /** Plain thresholds over the last minutes; null if there are none. */
  plain: { minutes: number; min_samples: number; error_rate: number | null; mean_ms: number | null } | null;
  /** `advance_when.no_errors`: a failure restarts the stage. */
  no_errors: boolean;
  /** Whether the triggers are those of the first day; absent if the stage has only one set. */
  sharp?: boolean;
}

/** The guard's complete state between minutes. */
export interface State {
  /** The last minute processed. */
  minute: number;
  /** First minute that counts towards advancing: the stage's first, or the one after the last incident. */
  since: number;
  /** First minute that counts for the plain thresholds. */
  window: number;
  /** Last minute with an outcome while the flag was on; 0 for none. */
  heard: number;
  /** Outcomes with the flag on, since `since`. */
  seen: { n: number; failed: number; timed: number; late: number };
  /**
   * Outcomes of both arms since the stage began, of the busiest minute (both arms together), and of the arm
   * without the flag since the last outcome of the other arm; the last minute with an outcome without the flag,
   * 0 for none, and the outcomes with the flag since then.
   */
  arms: { on: number; off: number; busiest: number; silent: number; told: number; alone: number };
  /**
   * First minute of the period in which only the mean of the arm with the flag has been above its threshold;
   * 0 if it is not.
   */
  broken: number;
  errors: Series;
  slow: Series;
  shift: Shift;
}

/** Why the guard acts. */
export type AlarmRule =
  | "error_rate_relative"
  | "p95_relative"
  | "error_rate_plain"
  | "mean_plain"
  | "error_rate_absolute"
  | "p95_absolute"
  | "error_rate_no_control"
  | "p95_no_control"
  | "error_rate_unclear"
  | "p95_unclear";

/** The guard acts: the flag is the cause, or a problem that both arms share, or people must look. */
export interface Alarm {
  verdict: "roll_back" | "page";
  rule: AlarmRule;
  minute: number;
}

/**
 * The last minute of a span, and S of each test after it in millionths, the maximum over the alternatives:
 * errors absolute and relative, slowness absolute and relative.
 */
export type Point = [
  minute: number,
  errors: number,
  errorsRelative: number,
  slow: number,
  slowRelative: number,
];

/** Which tests a span moved; the values of the others are older. */
interface Moved {
  failed: boolean;
  slowed: boolean;
}

/** The state at the start of a stage whose first whole minute is `minute`. */
export function begin(minute: number): State {
  return {
    minute: minute - 1,
    since: minute,
    window: minute,
    heard: 0,
    seen: { n: 0, failed: 0, timed: 0, late: 0 },
    arms: { on: 0, off: 0, busiest: 0, silent: 0, told: 0, alone: 0 },
    broken: 0,
    errors: series(),
    slow: series(),
    shift: shift(),
  };
}

/** The state once the first day of a stage is over: S was measured with other limits, and starts again. */
export function relax(state: State): State {
  return { ...state, errors: series(), slow: series(), shift: shift() };
}

/**
 * Processes minutes, in order, up to the first alarm.
 *
 * @param state Changed in place. Spans at or before `state.minute` only serve the plain thresholds as
 *   history.
 * @param path Receives a point for each span processed.
 * @returns The alarm at which it stopped, or undefined if all minutes were processed.
 */
export function take(watch: Watch, state: State, spans: readonly Span[], path?: Point[]): Alarm | undefined {
  for (let i = 0; i < spans.length; i++) {
    const { minute, heard, on, off, errors, slowness, busiest, unheard, told, alone } = spans[i];
    if (minute <= state.minute) continue;
    state.minute = minute;
    state.heard = Math.max(state.heard, heard);
    const { seen, arms } = state;
    seen.n += on.n;
    seen.failed += on.failed;
    seen.timed += on.timed;
    seen.late += on.late;
    arms.on += on.n;
    arms.off += off.n;
    arms.busiest = Math.max(arms.busiest, busiest);
    arms.silent = heard > 0 ? unheard : arms.silent + unheard;
    arms.told = Math.max(arms.told, told);
    arms.alone = told > 0 ? alone : arms.alone + alone;
    const failed = watch.error_rate !== null &&
      test(state.errors, watch.error_rate, minute, errors.on, errors.off);
    let slowed = false;
    if (watch.p95_ms !== null) {
      slowed = test(state.slow, SLOW_SHARE, minute, slowness.on, slowness.off);
      compare(state.shift, minute, places(on), places(off), {
        moves: slowed,
        absolute: highest(state.slow.absolute),
      });
      if (state.slow.shared === minute) {
        state.shift.s.fill(0);
        state.shift.relation = noSuspicion();
      }
    }
    const moved = failed || slowed;
    path?.push(point(state));
    const alarm = (moved ? relative(watch, state, { failed, slowed }) : undefined) ??
      plain(watch, state, spans, i) ??
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
      state.broken = 0;
      return alarm;
    }
  }
}

function point({ minute, errors, slow }: State): Point {
  return [minute, ...[errors.absolute, errors.relative, slow.absolute, slow.relative].map(highest)] as Point;
}

function places({ timed, score, score2 }: Counts): Places {
  return { n: timed, v: score, vv: score2 };
}

function highest(s: readonly number[]): number {
  return Math.max(...s);
}

function alarming({ errors, slow }: State): boolean {
  return highest(errors.absolute) >= ALARM || highest(slow.absolute) >= ALARM;
}

/**
 * The flag is the cause: failures are higher with it than without it, for so long that the other arm would
 * have shown the same by now.
 */
function relative(
  { control }: Watch,
  { minute, errors, slow, shift }: State,
  moved: Moved,
): Alarm | undefined {
  if (!control) return;
  const troubled = errors.shared > 0 || slow.shared > 0;
  const blamed = (
    s: number,
    enough: number,
    relation: Suspicion,
    { trouble, rose }: Pick<Series, "trouble" | "rose">,
  ) => blames(relation, minute, { s, enough, troubled, trouble, rose });
  const rates = (series: Series) => {
    const { absolute, relative, relation } = series;
    const s = highest(absolute);
    const enough = troubled ? 2 * ALARM : s >= ALARM ? SUPPORTED : s >= SEEMS ? ALARM : UNSUPPORTED;
    return blamed(highest(relative), enough, relation, series);
  };
  if (moved.failed && rates(errors)) return { verdict: "roll_back", rule: "error_rate_relative", minute };
  // Or everybody with the flag waits longer, and more than may be seem to be above the limit.
  const waits = highest(slow.absolute) >= SEEMS &&
    blamed(highest(shift.s), troubled ? 2 * ALARM : LONGER, shift.relation, {
      trouble: slow.trouble,
      rose: 0,
    });
  if (moved.slowed && (rates(slow) || waits)) return { verdict: "roll_back", rule: "p95_relative", minute };
}

/**
 * Above what the stage allows. The problem is shared if the control has it too; if not, the relative test
 * decides.
 */
function absolute({ control }: Watch, { minute, errors, slow }: State): Alarm | undefined {
  for (const [series, what] of [[errors, "error_rate"], [slow, "p95"]] as const) {
    const s = highest(series.absolute);
    if (s < ALARM) continue;
    if (!control) return { verdict: "roll_back", rule: `${what}_absolute`, minute };
    // Nobody without the flag walks the same path: whether it is the flag, only people can tell.
    if (series.off.n * CONTROL_RATIO < series.on.n) {
      return { verdict: "page", rule: `${what}_no_control`, minute };
    }
    if (series.trouble >= TROUBLE) return { verdict: "page", rule: `${what}_absolute`, minute };
    if (s >= UNCLEAR * ALARM) return { verdict: "page", rule: `${what}_unclear`, minute };
  }
}

/**
 * A plain threshold over the last minutes. The problem is shared if the control breaks the threshold too;
 * without a control the cause is uncertain. A mean must stay above its limit for as long as the other arm may
 * be late.
 */
function plain(watch: Watch, state: State, spans: readonly Span[], at: number): Alarm | undefined {
  if (watch.plain === null) return;
  const { minute } = state;
  const { error_rate, mean_ms, min_samples } = watch.plain;
  const [on, off] = recent(Math.max(minute - watch.plain.minutes + 1, state.window), spans, at);
  const shared = (breaks: (counts: Counts) => boolean) =>
    watch.control && (breaks(off) || off.n * CONTROL_RATIO < on.n);
  const fails = ({ n, failed, again }: Counts) =>
    n >= min_samples && error_rate !== null && failed - again > error_rate * n;
  if (fails(on)) return { verdict: shared(fails) ? "page" : "roll_back", rule: "error_rate_plain", minute };
  const waits = ({ timed, ms }: Counts) => timed >= min_samples && mean_ms !== null && ms > mean_ms * timed;
  if (!waits(on)) {
    state.broken = 0;
    return;
  }
  if (shared(waits)) return { verdict: "page", rule: "mean_plain", minute };
  if (state.broken === 0) state.broken = minute;
  if (watch.control && minute - state.broken < LAG) return;
  return { verdict: "roll_back", rule: "mean_plain", minute };
}

/** Sums of both arms from the minute `from` up to `spans[at]`. */
function recent(from: number, spans: readonly Span[], at: number): [Counts, Counts] {
  const sums: [Counts, Counts] = [none(), none()];
  for (let i = at; i >= 0 && spans[i].minute >= from; i--) {
    for (const [sum, counts] of [[sums[0], spans[i].on], [sums[1], spans[i].off]]) {
      sum.n += counts.n;
      sum.failed += counts.failed;
      sum.again += counts.again;
      sum.timed += counts.timed;
      sum.ms += counts.ms;
    }
  }
  return sums;
}
