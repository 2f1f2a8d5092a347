/**
 * When a failed delivery is tried again, and when it is given up.
 *
 * @module
 */

import { SCHEDULE } from "../contract/retries.ts";

/** Jitter on each wait, so that deliveries that failed together are not retried together. */
export const JITTER = 0.2;

/** The longest wait that a Retry-After header can ask for, in milliseconds. */
export const MAX_RETRY_AFTER_MS = 10 * 3600 * 1000;

/** The failed attempt, as far as the policy uses it. */
export interface Failure {
  /** HTTP status, absent without a response. */
  readonly status?: number;
  /** Milliseconds that the response asked to wait. */
  readonly retryAfterMs?: number;
}

/**
 * Effect of a failure on the conversation: `hold` keeps it waiting until the schedule ends; `aside` gives the
 * delivery up after its second attempt, so that the next message can go; `pause` pauses the destination and
 * keeps the delivery.
 */
export type OnFailure = "hold" | "aside" | "pause";

/** By status, or `else` for all others; what a destination does not set is as in {@linkcode POLICY}. */
export type FailurePolicy = Readonly<Record<string, OnFailure>>;

/**
 * The default policy. 400, 413, 415 and 422 concern this one message, so later messages need not wait for it.
 * 410 Gone means that the receiver is closed (Standard Webhooks). Everything else can be repaired within
 * hours: a wrong secret, a missing route or a firewall answers 401, 403 or 404.
 */
export const POLICY: FailurePolicy = {
  400: "aside",
  413: "aside",
  415: "aside",
  422: "aside",
  410: "pause",
  else: "hold",
};

/**
 * The policy for an event that is no message, given its destination's: it steps aside after its second failure, because
 * the messages behind it matter more. What pauses the destination still does.
 */
export function asideOf(policy: FailurePolicy): FailurePolicy {
  return Object.fromEntries(
    Object.entries({ else: POLICY.else, ...policy }).map(([status, then]) => [
      status,
      then === "pause" ? then : "aside",
    ]),
  );
}

/** What happens next. */
export type Next =
  | {
    readonly outcome: "retry";
    readonly afterMs: number;
    /** The destination must be paused. */
    readonly pause?: true;
  }
  | { readonly outcome: "dead"; readonly why: "refused" | "attempts_exhausted" };

/** Attempts before a delivery is set aside: the first failure may have been a deployment in progress. */
const ASIDE_AFTER = 2;

/**
 * Decides after a failed attempt.
 *
 * - `hold`: retried by the schedule. Until it is settled, later messages of the conversation to this
 *   destination wait, to keep the order.
 * - `aside`: dead after the second attempt, for a person to look at.
 * - `pause`: nothing is given up, however many attempts were made; the person who resumes the destination has
 *   checked it.
 * - Retry-After only ever lengthens a wait, up to {@link MAX_RETRY_AFTER_MS}: otherwise a receiver could use
 *   up eight attempts in eight seconds.
 *
 * @param attempt Attempts made, from 1.
 * @param random In [0, 1); injected so that the policy is pure.
 * @param schedule Waits in seconds; a destination may have its own.
 * @param policy Effects of a destination's failures that differ from {@linkcode POLICY}.
 */
export function next(
  attempt: number,
  failure: Failure,
  random: number = Math.random(),
  schedule: readonly number[] = SCHEDULE,
  policy: FailurePolicy = POLICY,
): Next {
  const by = failure.status === undefined ? undefined : policy[failure.status] ?? POLICY[failure.status];
  const then = by ?? policy.else ?? POLICY.else;
  if (then === "pause") {
    return {
      outcome: "retry",
      afterMs: (schedule[attempt - 1] ?? schedule[schedule.length - 1]) * 1000,
      pause: true,
    };
  }
  if (then === "aside" && attempt >= ASIDE_AFTER) return { outcome: "dead", why: "refused" };
  const wait = schedule[attempt - 1];
  if (wait === undefined) return { outcome: "dead", why: "attempts_exhausted" };
  const jittered = wait * 1000 * (1 - JITTER + 2 * JITTER * random);
  const asked = Math.min(failure.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS);
  return { outcome: "retry", afterMs: Math.round(Math.max(jittered, asked)) };
}
