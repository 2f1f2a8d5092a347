/**
 * A limit within one process, for what is too fast and too cheap to ask the database about.
 *
 * @module
 */

/** Takes one from the limit of `subject`: 0 when it may pass, else the milliseconds until it may. */
export type Pace = (subject: string, perSecond: number) => number;

/** Subjects held at once; beyond that the oldest begins anew. */
const MAX_SUBJECTS = 10_000;

/**
 * The generic cell rate algorithm (see `private.gcra`), in memory: on average `perSecond`, at once up to what a second
 * allows.
 *
 * @param now Milliseconds of a clock that does not jump.
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
