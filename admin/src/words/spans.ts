/** Sentences about spans of time, and about figures beside those of the span before. */

/** A span, in the reader's zone: "01:00 to 01:20", with the date where it is not today's. Whole days by their dates. */
export function spanInWords(from: number, to: number, now = Date.now()): string {
  const first = new Date(from * 1000), last = new Date(to * 1000);
  const day = (at: Date) => at.toLocaleDateString(undefined, { dateStyle: "medium" });
  const clock = (at: Date) => at.toLocaleTimeString(undefined, { timeStyle: "short" });
  if (day(first) !== day(last)) return `${day(first)}, ${clock(first)} to ${day(last)}, ${clock(last)}`;
  const times = `${clock(first)} to ${clock(last)}`;
  return day(first) === day(new Date(now)) ? times : `${day(first)}, ${times}`;
}

/** How long something takes, as a noun: "20 minutes", "day", "7 days". */
export function lengthInWords(seconds: number): string {
  const units: [size: number, one: string][] = [[86_400, "day"], [3_600, "hour"], [60, "minute"]];
  const [size, one] = units.find(([size]) => seconds % size === 0 && seconds >= size) ?? [60, "minute"];
  const n = Math.max(1, Math.round(seconds / size));
  return n === 1 ? one : `${n} ${one}s`;
}

/** Shares below this are called the same. */
const SAME = 0.005;

/**
 * A sum beside that of the span before, in words: "340 in, 12 % more than in the hour before (303)".
 * @param length As {@linkcode lengthInWords} says it.
 */
export function comparedInWords(name: string, now: number, before: number, length: string): string {
  const shown = `${now.toLocaleString("en")} ${name}`;
  const then = `in the ${length} before`;
  if (before === 0) return now === 0 ? `${shown}, as ${then}` : `${shown}, none ${then}`;
  const change = (now - before) / before;
  if (Math.abs(change) < SAME) return `${shown}, as many as ${then}`;
  const share = Math.abs(change) >= 2 && change > 0
    ? `${(now / before).toFixed(now / before < 10 ? 1 : 0)} times as many as`
    : `${Math.round(Math.abs(change) * 100).toLocaleString("en")} % ${change > 0 ? "more" : "fewer"} than`;
  return `${shown}, ${share} ${then} (${before.toLocaleString("en")})`;
}
