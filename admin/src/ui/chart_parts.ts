/** Parts of a chart without React: its marks, how it writes times, and what it says to those who cannot see it. */
import type uPlot from "uplot";

/** Something that happened, as a numbered line on the chart. */
export interface ChartMark {
  /** Unix time in seconds. */
  at: number;
  n: number;
}

/** Pixels within which two numbers would cover each other. */
const APART = 14;

/** Draws the marks; of numbers that would cover each other, the first. */
export function drawMarks(plot: uPlot, marks: readonly ChartMark[], colour: string): void {
  const { ctx, bbox } = plot;
  const scale = globalThis.devicePixelRatio || 1;
  let last = -Infinity;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.fillStyle = colour;
  ctx.lineWidth = scale;
  ctx.font = `${10 * scale}px system-ui`;
  ctx.textAlign = "center";
  ctx.setLineDash([2 * scale, 3 * scale]);
  for (const { at, n } of marks.toSorted((a, b) => a.at - b.at)) {
    // What happened during the last point stands at the edge.
    const x = Math.min(Math.round(plot.valToPos(at, "x", true)), bbox.left + bbox.width);
    if (x < bbox.left) continue;
    const isClear = x - last >= APART * scale;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top + (isClear ? 6 * scale : 0));
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    if (!isClear) continue;
    ctx.fillText(String(n), x, bbox.top + 2 * scale);
    last = x;
  }
  ctx.restore();
}

/**
 * Lets a finger choose a span as a mouse does: uPlot knows mice only. A finger that moves up or down still scrolls the page,
 * and a tap remains a click.
 */
export function followFingers(plot: uPlot): void {
  const { over } = plot;
  over.style.touchAction = "pan-y";
  const as =
    (type: "mousedown" | "mousemove" | "mouseup") => ({ pointerType, clientX, clientY }: PointerEvent) => {
      if (pointerType !== "touch") return;
      // uPlot takes a move without a distance for no move.
      over.dispatchEvent(new MouseEvent(type, { bubbles: true, button: 0, clientX, clientY, movementX: 1 }));
    };
  over.addEventListener("pointerdown", as("mousedown"));
  over.addEventListener("pointermove", as("mousemove"));
  over.addEventListener("pointerup", as("mouseup"));
  over.addEventListener("pointercancel", (event) => {
    // It became scrolling, and chooses nothing.
    plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    as("mouseup")(event);
  });
}

/** A point in time on an axis or in a table. @param zone UTC where a point is a whole day */
export function momentIn(at: number, zone: string | undefined, isDated: boolean): string {
  const date = new Date(at * 1000);
  if (zone !== undefined) {
    return date.toLocaleDateString(undefined, { day: "numeric", month: "short", timeZone: zone });
  }
  return isDated
    ? date.toLocaleString(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" })
    : date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

/** The highest value of each line and when, in one sentence a line. */
export function summaryOf(
  times: readonly number[],
  series: readonly { label: string; values: readonly (number | null)[] }[],
  moment: (at: number) => string,
  format: (value: number) => string,
): string {
  if (times.length === 0) return "No values.";
  const sentences = series.map(({ label, values }) => {
    let most = -1;
    values.forEach((value, index) => {
      if (value != null && (most < 0 || value > values[most]!)) most = index;
    });
    return most < 0
      ? `${label}: none.`
      : `${label}: at most ${format(values[most]!)}, at ${moment(times[most])}.`;
  });
  return `From ${moment(times[0])} to ${moment(times.at(-1)!)}. ${sentences.join(" ")}`;
}
