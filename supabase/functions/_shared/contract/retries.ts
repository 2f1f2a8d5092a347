/**
 * The schedule of retries after a failed delivery.
 *
 * @module
 */

/**
 * Waits after each failed attempt, in seconds, before jitter: 8 attempts over 27 h 35 min, which is Svix's schedule. It
 * retries a short fault within minutes and lasts longer than an outage of one night. A destination's own schedule
 * precedes the setting `forward.retry_seconds`, which precedes this one.
 */
export const SCHEDULE: readonly number[] = [5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600];
