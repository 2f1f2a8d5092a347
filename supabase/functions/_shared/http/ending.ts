/**
 * The end of an isolate, as announced by the platform.
 *
 * @module
 */

const ended = new AbortController();

/**
 * Aborts when the platform announces the end of this isolate: a share of its CPU or memory, or half of its
 * wall clock, is used up (`beforeunload`), or it has been retired and has answered every request (`drain`).
 * Current work may still finish before the hard limit; new work may be cut off.
 */
export const ending: AbortSignal = ended.signal;

for (const event of ["beforeunload", "drain"]) {
  globalThis.addEventListener(event, () => ended.abort(), { signal: ending });
}

/** The longest wait that the platform can ask for, in milliseconds: its budgets are per minute. */
const LONGEST_MS = 60_000;
/** Used if the error names no wait. */
const OTHERWISE_MS = 1000;

/**
 * The wait that the platform asks for, in milliseconds, when it refuses a call to one of its own functions
 * (`Deno.errors.RateLimitError`); undefined for any other error. Nothing was sent in that case.
 */
export function platformLimitMs(error: unknown): number | undefined {
  if (!(error instanceof Error) || error.name !== "RateLimitError") return undefined;
  const { retryAfterMs } = error as { retryAfterMs?: unknown };
  return typeof retryAfterMs === "number" && retryAfterMs >= 0
    ? Math.min(Math.ceil(retryAfterMs), LONGEST_MS)
    : OTHERWISE_MS;
}
