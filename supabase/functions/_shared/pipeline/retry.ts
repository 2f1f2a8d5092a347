/**
 * Writing down what has happened outside, though the database is away for a moment.
 *
 * @module
 */
import { Problem } from "../http/problem.ts";

/** Waits between two tries double from the first to the longest of these, in milliseconds. */
const WAIT_MS = { first: 100, longest: 2000 };

/** Where the time comes from; tests give their own. */
export interface Time {
  /** Milliseconds of a clock that does not jump. */
  now(): number;
  wait(ms: number): Promise<void>;
}

const REAL: Time = {
  now: () => performance.now(),
  wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

/**
 * Calls until it goes well. A message that has left the house cannot be called back: if its outcome is not written down
 * before the lease ends, it goes out again.
 *
 * Failure policy: an outage (`database_unavailable`, `overloaded`) is waited out for `forMs` at most; any other error
 * ends it at once, for the call would fail again. A call that did succeed and whose answer was lost is fenced off
 * by its lease when it is repeated.
 *
 * @throws What the last call threw.
 */
export async function retrySettlement<T>(
  call: () => Promise<T>,
  forMs: number,
  time: Time = REAL,
): Promise<T> {
  const until = time.now() + forMs;
  for (let waitMs = WAIT_MS.first;; waitMs = Math.min(waitMs * 2, WAIT_MS.longest)) {
    try {
      return await call();
    } catch (error) {
      const outage = error instanceof Problem &&
        (error.code === "database_unavailable" || error.code === "overloaded");
      if (!outage || time.now() + waitMs > until) throw error;
      await time.wait(waitMs);
    }
  }
}
