/**
 * The end of an isolate, as the platform tells of it.
 *
 * @module
 */

const ended = new AbortController();

/**
 * Aborted once the platform has said that this isolate ends: a share of its CPU or memory, or half of its wall clock, is
 * used up (`beforeunload`), or it has been retired and has answered all (`drain`). What is under way may still finish,
 * until the hard limit ends it; whatever begins may be cut off.
 */
export const ending: AbortSignal = ended.signal;

for (const event of ["beforeunload", "drain"]) {
  globalThis.addEventListener(event, () => ended.abort(), { signal: ending });
}

/** The longest wait that the platform can ask for, in milliseconds: its budgets are of a minute. */
const LONGEST_MS = 60_000;
/** Where it does not say. */
const OTHERWISE_MS = 1000;

/**
 * How long the platform asks to wait, in milliseconds, where it has refused to let a call out to one of its own functions
 * (`Deno.errors.RateLimitError`); undefined for any other error. Nothing was sent then.
 */
export function platformLimitMs(error: unknown): number | undefined {
  if (!(error instanceof Error) || error.name !== "RateLimitError") return undefined;
  const { retryAfterMs } = error as { retryAfterMs?: unknown };
  return typeof retryAfterMs === "number" && retryAfterMs >= 0
    ? Math.min(Math.ceil(retryAfterMs), LONGEST_MS)
    : OTHERWISE_MS;
}
