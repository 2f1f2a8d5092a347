/**
 * Recording outcomes while the database is briefly unavailable.
 *
 * @module
 */
import { Problem } from "../http/problem.ts";

/** The wait between two attempts doubles from the first to the longest of these, in milliseconds. */
const WAIT_MS = { first: 100, longest: 2000 };

/** Source of time; tests provide their own. */
export interface Time {
  /** Milliseconds of a monotonic clock. */
  now(): number;
  wait(ms: number): Promise<void>;
}

/** The clock and timers of the process. */
export const REAL_TIME: Time = {
  now: () => performance.now(),
  wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

/**
 * Repeats a call until it succeeds. A sent message cannot be recalled: if its outcome is not recorded before
 * the lease expires, it is sent again.
 *
 * Failure policy: retries during an outage (`database_unavailable`, `overloaded`) for at most `forMs`; any
 * other error is thrown at once, because the call would fail again. If a call succeeded but its answer was
 * lost, the lease makes the repetition harmless.
 *
 * @throws The error of the last call.
 */
export async function retrySettlement<T>(
  call: () => Promise<T>,
  forMs: number,
  time: Time = REAL_TIME,
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
