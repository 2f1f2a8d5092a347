/**
 * A retry schedule in words.
 *
 * @module
 */
import { counted } from "./sentences.ts";

/**
 * `8 attempts over 28 hours`.
 * @param waits Seconds between the attempts.
 */
export function scheduleInWords(waits: readonly number[]): string {
  const seconds = waits.reduce((sum, wait) => sum + wait, 0);
  return `${counted(waits.length + 1, "attempt")} over ${durationInWords(seconds)}`;
}

/** A duration in the largest unit that loses little precision: 90 minutes, 28 hours, 1 day. */
function durationInWords(seconds: number): string {
  for (const [unit, name] of [[86_400, "day"], [3600, "hour"], [60, "minute"]] as const) {
    if (seconds === unit || seconds >= 2 * unit) return counted(Math.round(seconds / unit), name);
  }
  return counted(Math.round(seconds), "second");
}
