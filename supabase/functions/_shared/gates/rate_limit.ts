/**
 * Rate limits for callers: GCRA in Postgres (`take_rate`), shared by all isolates, with the `RateLimit`
 * fields of draft-ietf-httpapi-ratelimit-headers.
 *
 * (Limits on work, such as messages to one contact, are checked in SQL in the same round trip as the work.)
 *
 * Failure policy: open. If the limiter is unavailable or broken, the request passes, logged and counted: the
 * limiter protects from overload and must not cause the loss of a message.
 *
 * @module
 */
import type { Rate } from "../contract/answers/common.ts";
import type { Limit } from "../contract/limits.ts";
import { type Rpc, rpc } from "../db/client.ts";
import { count } from "../db/counters.ts";
import { Problem } from "../http/problem.ts";
import { log } from "../log/log.ts";

/** Result of a take. */
export interface Taken {
  readonly allowed: boolean;
  /** `RateLimit-Policy` and `RateLimit` for the response; empty if the limiter could not be asked. */
  readonly headers: Record<string, string>;
  /** Milliseconds until the same take would be allowed: 0 if it was allowed, null if it exceeds the burst. */
  readonly retryAfterMs: number | null;
}

const TIMEOUT_MS = 1000;

/**
 * Takes `cost` from a limit, in full or not at all. Never rejects.
 *
 * @param subject Owner of the limit: an id or a key's name, never a phone number or an address.
 */
export async function take(limit: Limit, subject: string, cost = 1, call: Rpc = rpc): Promise<Taken> {
  const { name, perSecond, burst } = limit;
  const args = { p_key: `${name}:${subject}`, p_rate: perSecond, p_burst: burst, p_cost: cost };
  try {
    const taken = await call("take_rate", args, { timeoutMs: TIMEOUT_MS });
    return { allowed: taken.allowed, headers: rateHeaders(limit, taken), retryAfterMs: taken.retry_after_ms };
  } catch (error) {
    count("rate_limit_unavailable", name);
    log.warn("the rate limiter could not be asked: the request passes", { limit: name, error });
    return { allowed: true, headers: {}, retryAfterMs: 0 };
  }
}

/**
 * Takes from a limit, or refuses the request.
 *
 * @returns Headers for the response.
 * @throws {Problem} `rate_limited` with the same headers and `Retry-After`; `invalid_request` if the cost
 *   exceeds the burst, because waiting would not help.
 */
export async function requireRate(
  limit: Limit,
  subject: string,
  cost = 1,
  call: Rpc = rpc,
): Promise<Record<string, string>> {
  const { allowed, headers, retryAfterMs } = await take(limit, subject, cost, call);
  if (allowed) return headers;
  throw refused(limit, headers, retryAfterMs);
}

/**
 * The response to a take that was not allowed: `rate_limited` with `Retry-After`, or `invalid_request` if the
 * cost exceeds the burst (`retryAfterMs` null).
 *
 * @param headers From {@linkcode rateHeaders}.
 */
export function refused(
  limit: Limit,
  headers: Record<string, string>,
  retryAfterMs: number | null,
): Problem {
  if (retryAfterMs === null) {
    return new Problem("invalid_request", {
      headers,
      detail: `Bursts of at most ${limit.burst} are accepted.`,
    });
  }
  return new Problem("rate_limited", {
    headers: { ...headers, "retry-after": seconds(Math.max(1, retryAfterMs)) },
    extensions: { "violated-policies": [limit.name] },
  });
}

/**
 * The headers of a take. With GCRA the quota `q` is the burst and the window `w` the time in which an empty
 * one refills. `r` is what could be taken now, and `t` the time until it grows by one (the draft requires it
 * to be no later than `Retry-After`).
 */
export function rateHeaders(
  { name, perSecond, burst }: Limit,
  { remaining, reset_ms }: Rate,
): Record<string, string> {
  const eachMs = 1000 / perSecond;
  const nextMs = Math.max(0, reset_ms - (burst - remaining - 1) * eachMs);
  return {
    "ratelimit-policy": `"${name}";q=${burst};w=${seconds(Math.max(1, burst * eachMs))}`,
    "ratelimit": `"${name}";r=${remaining};t=${seconds(remaining < burst ? nextMs : 0)}`,
  };
}

/** Whole seconds, rounded up, so that waiting that long is always enough. */
function seconds(ms: number): string {
  return String(Math.ceil(ms / 1000));
}
