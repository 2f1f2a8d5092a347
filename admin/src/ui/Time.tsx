/** Times in the reader's zone: relative, with the exact time on hover, on focus and for screen readers. */
import { Tooltip } from "@mantine/core";
import { useSyncExternalStore } from "react";
import { ago, dated, exact, inZone } from "./times.ts";

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

/** {@linkcode inZone}, with the instants as they were written on hover. */
export function InZone({ text }: { text: string }) {
  const shown = inZone(text);
  return <span dir="auto" title={shown === text ? undefined : text}>{shown}</span>;
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
