/**
 * When a delivery that failed is tried again, and when it is given up.
 *
 * @module
 */

/**
 * Waits after each failed attempt, in seconds: 8 attempts over 27 h 35 min, svix's schedule, before jitter. A short
 * fault heals within minutes, a night's outage is outlived.
 */
export const SCHEDULE: readonly number[] = [5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600];

/** Jitter on each wait, so that what failed together does not come back together. */
export const JITTER = 0.2;

/** The longest wait that a Retry-After header can ask for, in milliseconds. */
export const MAX_RETRY_AFTER_MS = 10 * 3600 * 1000;

/** What the policy asks about a failed attempt. */
export interface Failure {
  /** HTTP status, absent when there was no answer. */
  readonly status?: number;
  /** Milliseconds that the answer asked to wait. */
  readonly retryAfterMs?: number;
}

/** What to do now. */
export type Next =
  | { readonly outcome: "retry"; readonly afterMs: number }
  | { readonly outcome: "dead"; readonly why: "gone" | "attempts_exhausted" };

/**
 * Decides after a failed attempt.
 *
 * - Every failure is tried again, 4xx too: a wrong secret, a route not deployed yet or a firewall answers 400, 401,
 *   403 or 404, and is mended within hours. A receiver cannot say "I do not want this one" by an error; it answers 2xx
 *   and ignores the message. Until the delivery is settled, the conversation's next messages to this destination wait:
 *   that is what order means.
 * - 410 Gone says by itself that the receiver is closed (Standard Webhooks): dead at once.
 * - Retry-After only ever lengthens a wait, up to {@link MAX_RETRY_AFTER_MS}: one that shortened it would let a
 *   receiver burn eight attempts in eight seconds.
 *
 * @param attempt Attempts made, from 1.
 * @param random In [0, 1); injected so that the policy is pure.
 * @param schedule Waits in seconds; a destination may have its own.
 */
export function next(
  attempt: number,
  failure: Failure,
  random: number = Math.random(),
  schedule: readonly number[] = SCHEDULE,
): Next {
  if (failure.status === 410) return { outcome: "dead", why: "gone" };
  const wait = schedule[attempt - 1];
  if (wait === undefined) return { outcome: "dead", why: "attempts_exhausted" };
  const jittered = wait * 1000 * (1 - JITTER + 2 * JITTER * random);
  const asked = Math.min(failure.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS);
  return { outcome: "retry", afterMs: Math.round(Math.max(jittered, asked)) };
}
