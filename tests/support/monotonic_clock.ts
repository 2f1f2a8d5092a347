/** The clock that does not jump, made to: tests of what is remembered for seconds need not wait for them. */

let ahead = 0;
const real = performance.now.bind(performance);
performance.now = () => real() + ahead;

/** Lets `ms` milliseconds pass at once for whoever measures by `performance.now`. */
export function advance(ms: number): void {
  ahead += ms;
}
