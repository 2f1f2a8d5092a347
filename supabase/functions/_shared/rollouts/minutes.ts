/**
 * What the guard of a rollout counts: outcomes of both arms, minute by minute, or several quiet minutes at once.
 *
 * @module
 */

/** Outcomes of one arm; at most one a person and minute. */
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

/** How one thing (failures among outcomes, slow ones among those that were timed) lies over the minutes of an arm. */
export interface Tally {
  n: number;
  k: number;
  /** Sum of k² / n over the minutes, in millionths, each rounded down. */
  q: number;
  /** Minutes with n above 0. */
  m: number;
}

/**
 * Minutes in a row, added up. A minute in which somebody with the flag failed or was slow is a span of its own, and so is
 * each minute where plain thresholds are watched; quiet ones may be taken together, and the guard comes to the same.
 */
export interface Span extends Minute {
  /** The last one. */
  minute: number;
  /** The last one with an outcome while the flag was on; 0 for none. */
  heard: number;
  errors: { on: Tally; off: Tally };
  slowness: { on: Tally; off: Tally };
}

/** No outcomes. */
export function none(): Counts {
  return { n: 0, failed: 0, timed: 0, slow: 0, late: 0, ms: 0 };
}

/** Nothing tallied. */
export function nothing(): Tally {
  return { n: 0, k: 0, q: 0, m: 0 };
}

/** The tally of one minute. */
export function tally(n: number, k: number): Tally {
  return n === 0 ? nothing() : { n, k, q: Math.floor(k * k * 1_000_000 / n), m: 1 };
}

/** A minute as a span of its own. */
export function span({ minute, on, off }: Minute): Span {
  return {
    minute,
    on,
    off,
    heard: on.n > 0 ? minute : 0,
    errors: { on: tally(on.n, on.failed), off: tally(off.n, off.failed) },
    slowness: { on: tally(on.timed, on.slow), off: tally(off.timed, off.slow) },
  };
}
