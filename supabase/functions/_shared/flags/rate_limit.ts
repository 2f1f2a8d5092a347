/**
 * A rate limit within one process, for calls that are too frequent and too cheap to ask the database.
 *
 * @module
 */

/**
 * Takes one from the limit of `subject`. Returns 0 if it is allowed, else the milliseconds until it will be.
 */
export type Pace = (subject: string, perSecond: number) => number;

/** Most subjects in memory; beyond that the oldest one starts again. */
const MAX_SUBJECTS = 10_000;

/**
 * The generic cell rate algorithm (see `private.gcra`), in memory: `perSecond` on average, and a burst of one
 * second's worth.
 *
 * @param now Milliseconds of a monotonic clock.
 */
export function createPace(now: () => number = () => performance.now()): Pace {
  /** Theoretical arrival time of each subject's next take. */
  const arrivals = new Map<string, number>();
  return (subject, perSecond) => {
    const at = now();
    const eachMs = 1000 / perSecond;
    const arrival = Math.max(arrivals.get(subject) ?? at, at);
    const early = arrival + eachMs - at - Math.max(1000, eachMs);
    if (early > 1e-6) return early;
    if (!arrivals.has(subject) && arrivals.size >= MAX_SUBJECTS) {
      arrivals.delete(arrivals.keys().next().value!);
    }
    arrivals.set(subject, arrival + eachMs);
    return 0;
  };
}
