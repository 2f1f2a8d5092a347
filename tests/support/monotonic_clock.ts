/** Controls the monotonic clock, so that tests of cached values need not wait for seconds. */

let ahead = 0;
const real = performance.now.bind(performance);
performance.now = () => real() + ahead;

/** Advances `performance.now` by `ms` milliseconds. */
export function advance(ms: number): void {
  ahead += ms;
}
