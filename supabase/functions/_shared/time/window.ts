/**
 * A weekly window by the wall clock of a time zone.
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

/** Minutes since midnight of "HH:MM"; the caller has checked the form. */
export function minutesOf(clock: string): number {
  const [hours, minutes] = clock.split(":");
  return Number(hours) * 60 + Number(minutes);
}

/** Whether the platform knows the time zone. */
export function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

/**
 * Makes the test "is this instant inside the window". A window with `to` before `from` goes over midnight and belongs
 * to the day on which it starts: fri 22:00-06:00 holds Saturday 03:00 and not Friday 03:00.
 *
 * It asks Intl for the wall clock of each instant, so daylight saving is right by construction: an hour that the
 * clock skips never matches, one that it repeats matches twice.
 */
export function inWindow(window: Window): (now: Date) => boolean {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone: window.zone,
    hourCycle: "h23",
    weekday: "short",
    hour: "2-digit",
    minute: "2-digit",
  });
  const days = new Set<string>(window.days);
  const from = minutesOf(window.from), to = minutesOf(window.to);
  return (now) => {
    let day = "", minute = 0;
    for (const part of format.formatToParts(now)) {
      if (part.type === "weekday") day = part.value.toLowerCase();
      else if (part.type === "hour") minute += Number(part.value) * 60;
      else if (part.type === "minute") minute += Number(part.value);
    }
    if (from < to) return days.has(day) && from <= minute && minute < to;
    const yesterday = DAYS[(DAYS.indexOf(day as Day) + 6) % 7];
    return (days.has(day) && minute >= from) || (days.has(yesterday) && minute < to);
  };
}
