/**
 * When a delivery that failed is tried again, and when it is given up.
 *
 * @module
 */

import { SCHEDULE } from "../contract/retries.ts";

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

/**
 * What a failure does to the conversation: keeps it waiting until the schedule ends; gives the delivery up after its
 * second attempt, so that the next message goes; or pauses the destination, delivery kept.
 */
export type OnFailure = "hold" | "aside" | "pause";

/** By status, or `else` for all that is not named; what a destination leaves out is as in {@linkcode POLICY}. */
export type FailurePolicy = Readonly<Record<string, OnFailure>>;

/**
 * What the statuses say of themselves. 400, 413, 415 and 422 are about this one message: whatever comes after it would
 * wait in vain. 410 Gone says that the receiver is closed (Standard Webhooks). Everything else is mended within hours: a
 * wrong secret, a route not deployed yet or a firewall answers 401, 403 or 404.
 */
export const POLICY: FailurePolicy = {
  400: "aside",
  413: "aside",
  415: "aside",
  422: "aside",
  410: "pause",
  else: "hold",
};

/** What to do now. */
export type Next =
  | {
    readonly outcome: "retry";
    readonly afterMs: number;
    /** The destination is to be paused. */
    readonly pause?: true;
  }
  | { readonly outcome: "dead"; readonly why: "refused" | "attempts_exhausted" };

/** Attempts after which a delivery steps aside: the first failure may have been a deployment under way. */
const ASIDE_AFTER = 2;

/**
 * Decides after a failed attempt.
 *
 * - What is held is tried again by the schedule. Until it is settled, the conversation's next messages to this
 *   destination wait: that is what order means.
 * - What steps aside is dead after its second attempt, for a person to look at.
 * - A failure that pauses the destination gives nothing up, however many attempts were made: who resumes it has looked.
 * - Retry-After only ever lengthens a wait, up to {@link MAX_RETRY_AFTER_MS}: one that shortened it would let a
 *   receiver burn eight attempts in eight seconds.
 *
 * @param attempt Attempts made, from 1.
 * @param random In [0, 1); injected so that the policy is pure.
 * @param schedule Waits in seconds; a destination may have its own.
 * @param policy What a destination's failures do, where that is not {@linkcode POLICY}.
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
