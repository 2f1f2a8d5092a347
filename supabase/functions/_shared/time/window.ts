/**
 * A weekly window in the local time of a time zone.
 *
 * @module
 */

import { type Day, DAYS, type Window } from "../contract/window.ts";

/** Minutes since midnight of "HH:MM". The caller has checked the form. */
export function minutesOf(clock: string): number {
  const [hours, minutes] = clock.split(":");
  return Number(hours) * 60 + Number(minutes);
}

/**
 * Returns a test of whether an instant is inside the window. A window with `to` before `from` crosses
 * midnight and belongs to the day on which it starts: fri 22:00-06:00 contains Saturday 03:00 but not Friday
 * 03:00.
 *
 * Intl gives the local time of each instant, so daylight saving time is handled: an hour that the clock skips
 * never matches, an hour that it repeats matches twice.
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
