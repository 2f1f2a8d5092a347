/** Times and durations in words, in the reader's zone. */

const STEPS: [unit: Intl.RelativeTimeFormatUnit, seconds: number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const exactly = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
/** The date and time in the reader's zone. */
export const dated = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** A relative time: "3 min ago". Beyond four weeks, the date. */
export function ago(at: Date, now: number): string {
  const seconds = (at.getTime() - now) / 1000;
  if (Math.abs(seconds) < 5) return "now";
  if (Math.abs(seconds) > 28 * 86_400) return dated.format(at);
  const [unit, size] = STEPS.find(([, size]) => Math.abs(seconds) >= size) ?? STEPS[3];
  // Short units end in a dot, as in "5 hr.", after which no sentence can end.
  return relative.format(Math.trunc(seconds / size), unit).replaceAll(".", "");
}

/** An instant as programs write it: `2026-11-29T20:15:00Z`. */
const INSTANT = /\b\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)/g;

/** A sentence in which the database or a function wrote instants, each in the reader's zone instead. */
export const inZone = (text: string): string =>
  text.replace(INSTANT, (written) => {
    const at = new Date(written);
    return Number.isNaN(at.getTime()) ? written : dated.format(at);
  });

/** A duration: "2 d 3 h", "45 s". */
export function duration(seconds: number): string {
  const units: [number, string][] = [[86_400, "d"], [3_600, "h"], [60, "min"], [1, "s"]];
  const first = units.findIndex(([size]) => seconds >= size);
  if (first < 0) return "0 s";
  let left = Math.round(seconds);
  const parts: string[] = [];
  for (const [size, name] of units.slice(first, first + 2)) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) parts.push(`${count} ${name}`);
  }
  return parts.join(" ");
}

/** The exact time in the reader's zone, with the zone's name. */
export const exact = (at: Date): string => exactly.format(at);
