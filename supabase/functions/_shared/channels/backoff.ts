/**
 * When a message is sent again, for channels whose providers leave that to us.
 *
 * @module
 */
import type { NextAttempt, SendFailure } from "./channel.ts";

/**
 * How long a sender is held before one message tests whether it was repaired; the database tests less often
 * each time.
 */
const HELD_MS = 5000;
/** For errors about a country's people, each chat is tested separately. */
const PAIR_HELD_MS = 60_000;
const LONGEST_HELD_MS = 60 * 60 * 1000;

/** Most attempts for one message, over about half an hour. */
export const MAX_SEND_ATTEMPTS = 8;

const BASE_MS = 1000;
const FACTOR = 4;
const LONGEST_MS = 15 * 60 * 1000;
const JITTER = 0.2;

/** The longest wait that a response can ask for, in milliseconds. */
export const MAX_RETRY_AFTER_MS = 60 * 60 * 1000;

/**
 * When a message is sent again: after 1 s, 4 s, 16 s, … (at most 15 min), each +-20 %, and never before the
 * response's Retry-After allows.
 *
 * A failure that the message did not cause (`throttle`, `held`) never ends it. An
 * unknown outcome is not tried again by itself.
 *
 * @param attempt Attempts made, from 1; for a failure that the message did not cause, the number of delays.
 * @param random In [0, 1); injected so that the policy is pure.
 */
export function nextSendAttempt(
  attempt: number,
  failure: Pick<SendFailure, "kind" | "scope" | "retryAfterMs">,
  random: number = Math.random(),
): NextAttempt {
  if (failure.kind === "final") return { outcome: "failed", why: "final" };
  if (failure.kind === "unknown") return { outcome: "unknown" };
  if (failure.kind === "held") {
    const afterMs = failure.scope === "pair"
      ? Math.min(PAIR_HELD_MS * FACTOR ** (attempt - 1), LONGEST_HELD_MS)
      : HELD_MS;
    return { outcome: "retry", afterMs };
  }
  if (failure.kind === "retry" && attempt >= MAX_SEND_ATTEMPTS) {
    return { outcome: "failed", why: "attempts_exhausted" };
  }
  const backoff = Math.min(BASE_MS * FACTOR ** (attempt - 1), LONGEST_MS) *
    (1 - JITTER + 2 * JITTER * random);
  const asked = Math.min(failure.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS);
  return { outcome: "retry", afterMs: Math.round(Math.max(backoff, asked)) };
}
