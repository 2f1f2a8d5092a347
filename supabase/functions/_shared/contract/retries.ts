/**
 * The schedule by which a failed delivery is tried again.
 *
 * @module
 */

/**
 * Waits after each failed attempt, in seconds: 8 attempts over 27 h 35 min, svix's schedule, before jitter. A short
 * fault heals within minutes, a night's outage is outlived. A destination's own schedule comes before it, then the
 * setting `forward.retry_seconds`.
 */
export const SCHEDULE: readonly number[] = [5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600];
