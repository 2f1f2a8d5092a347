/**
 * A weekly time window, for conditions of routes and rules of links. Its schema is in `window_schema.ts`, so that code
 * which only shows a window does not load zod.
 *
 * @module
 */

/** Days as conditions name them, in the order of the week. */
export const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
/** One of {@link DAYS}. */
export type Day = typeof DAYS[number];

/** A window: on these days, from (inclusive) to (exclusive) as "HH:MM", `to` up to "24:00", in an IANA zone. */
export interface Window {
  readonly days: readonly Day[];
  readonly from: string;
  readonly to: string;
  readonly zone: string;
}

/** "HH:MM" for the start of a window. */
export const FROM_PATTERN = /^([01][0-9]|2[0-3]):[0-5][0-9]$/;
/** "HH:MM" for the end of a window, which may be 24:00. */
export const TO_PATTERN = /^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$/;

/** Whether the platform knows the time zone. */
export function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}
