/**
 * The guard's input: outcomes of both arms of a rollout, for each minute or for several quiet minutes
 * together.
 *
 * @module
 */

import { EDGES_MS } from "./latency.ts";

/** Outcomes of one arm; at most one per person and minute. */
export interface Counts {
  /** Outcomes. */
  n: number;
  failed: number;
  /**
   * Failures of people who had already failed in this stage: one unhappy person, however often they retry.
   */
  again: number;
  /** Outcomes with a known latency. */
  timed: number;
  /** Slower than the stage's `roll_back_when.p95_ms_above`. */
  slow: number;
  /** Slow outcomes of people who had already been that slow in this stage. */
  slowAgain: number;
  /** Slower than the stage's `advance_when.p95_ms_below`. */
  late: number;
  /**
   * Total milliseconds of all timed outcomes; if their mean is above the stage's limit, computed by
   * {@linkcode robustMs}.
   */
  ms: number;
  /**
   * Sum, over the timed outcomes, of the number of `EDGES_MS` that each exceeded; `score2` is the sum of
   * squares.
   */
  score: number;
  score2: number;
}

/** One minute of both arms. */
export interface Minute {
  /** Minutes since 1970. */
  minute: number;
  on: Counts;
  off: Counts;
}

/**
 * How one kind of outcome (failures among outcomes, slow ones among timed ones) is distributed over the
 * minutes of an arm.
 */
export interface Tally {
  n: number;
  k: number;
  /** Sum of k² / n over the minutes, in millionths, each rounded down. */
  q: number;
  /** Minutes with n above 0. */
  m: number;
}

/**
 * Consecutive minutes, summed. A minute in which somebody with the flag failed or was slow is a span of its
 * own, and so is each minute if plain thresholds are monitored; quiet minutes may be merged without changing
 * the guard's decision.
 */
export interface Span extends Minute {
  /** The last minute. */
  minute: number;
  /** The last minute with an outcome while the flag was on; 0 for none. */
  heard: number;
  /** Outcomes of both arms in the busiest minute. */
  busiest: number;
  /** Outcomes without the flag after `heard`, or all of them if there is none. */
  unheard: number;
  /** The last minute with an outcome without the flag; 0 for none. */
  told: number;
  /** Outcomes with the flag after `told`, or all of them if there is none. */
  alone: number;
  errors: { on: Tally; off: Tally };
  slowness: { on: Tally; off: Tally };
}

/** No outcomes. */
export function none(): Counts {
  return {
    n: 0,
    failed: 0,
    again: 0,
    timed: 0,
    slow: 0,
    slowAgain: 0,
    late: 0,
    ms: 0,
    score: 0,
    score2: 0,
  };
}

/** An empty tally. */
export function nothing(): Tally {
  return { n: 0, k: 0, q: 0, m: 0 };
}

/** The tally of one minute. */
export function tally(n: number, k: number): Tally {
  return n === 0 ? nothing() : { n, k, q: Math.floor(k * k * 1_000_000 / n), m: 1 };
}

/** A single minute as a span. */
export function span({ minute, on, off }: Minute): Span {
  return {
    minute,
    on,
    off,
    heard: on.n > 0 ? minute : 0,
    busiest: on.n + off.n,
    unheard: on.n > 0 ? 0 : off.n,
    told: off.n > 0 ? minute : 0,
    alone: off.n > 0 ? 0 : on.n,
    errors: { on: tally(on.n, on.failed - on.again), off: tally(off.n, off.failed - off.again) },
    slowness: {
      on: tally(on.timed, on.slow - on.slowAgain),
      off: tally(off.timed, off.slow - off.slowAgain),
    },
  };
}

/** One outcome counts in a mean for at most this multiple of the limit. */
const MOST_TIMES = 3;

/**
 * Milliseconds of a minute's outcomes, for a mean that a few slow ones do not move: if the mean is above the
 * limit, each outcome counts for at most three times the limit, and people who had already been that slow in
 * this stage do not count again. `private.robust_ms` in SQL does the same.
 *
 * @param le Cumulative histogram, as in `flag_metrics`.
 * @param slowAgain For each edge, the number of outcomes that were slower, of people who had been before; may
 *   be empty.
 */
export function robustMs(
  ms: number,
  timed: number,
  le: readonly number[],
  slowAgain: readonly number[],
  limit: number,
): number {
  if (ms <= limit * timed) return ms;
  let sum = 0;
  for (let i = 0; i < EDGES_MS.length; i++) {
    const from = i === 0 ? 0 : EDGES_MS[i - 1];
    const to = Math.min(EDGES_MS[i], MOST_TIMES * limit);
    if (to <= from) break;
    const slower = i === 0 ? timed : timed - le[i - 1] - (slowAgain[i - 1] ?? 0);
    sum += (to - from) * slower;
  }
  return Math.min(ms, Math.trunc(sum));
}

/** `score` and `score2` of a cumulative histogram. */
export function scores(timed: number, le: readonly number[]): [score: number, score2: number] {
  let [score, score2] = [0, 0];
  for (let i = 0; i < le.length; i++) {
    score += timed - le[i];
    score2 += (2 * i + 1) * (timed - le[i]);
  }
  return [score, score2];
}
