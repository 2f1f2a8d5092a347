/** Times in the reader's zone: relative, with the exact time on hover, on focus and for screen readers. */
import { Tooltip } from "@mantine/core";
import { useSyncExternalStore } from "react";

const STEPS: [unit: Intl.RelativeTimeFormatUnit, seconds: number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const exactly = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const dated = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** A relative time: "3 min. ago". Beyond four weeks, the date. */
export function ago(at: Date, now: number): string {
  const seconds = (at.getTime() - now) / 1000;
  if (Math.abs(seconds) < 5) return "now";
  if (Math.abs(seconds) > 28 * 86_400) return dated.format(at);
  const [unit, size] = STEPS.find(([, size]) => Math.abs(seconds) >= size) ?? STEPS[3];
  return relative.format(Math.trunc(seconds / size), unit);
}

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

// One timer for all times of a page.
let now = Date.now();
const told = new Set<() => void>();
let clock: ReturnType<typeof setInterval> | undefined;
function listen(tell: () => void): () => void {
  told.add(tell);
  clock ??= setInterval(() => {
    now = Date.now();
    for (const each of told) each();
  }, 1_000);
  return () => {
    told.delete(tell);
    if (told.size > 0) return;
    clearInterval(clock);
    clock = undefined;
  };
}

/** The time now, in milliseconds since 1970, to the second. */
export function useNow(): number {
  return useSyncExternalStore(listen, () => now);
}

/** A point in time. With `exact` it shows the date instead of the relative time. */
export function Time({ at, as = "ago" }: { at: string | number | Date; as?: "ago" | "date" }) {
  const moment = new Date(at);
  return (
    <Tooltip label={exact(moment)} events={{ hover: true, focus: true, touch: true }}>
      <time dateTime={moment.toISOString()} title="" tabIndex={0}>
        {as === "date" ? dated.format(moment) : <Ago at={moment} />}
      </time>
    </Tooltip>
  );
}

function Ago({ at }: { at: Date }) {
  return ago(at, useNow());
}
