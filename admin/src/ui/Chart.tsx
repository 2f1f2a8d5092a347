/**
 * A line chart over time, drawn by uPlot. Its values are read one by one by keyboard and by screen readers, and stand in a
 * table too. A span of it is chosen by dragging, or by Shift with the arrow keys.
 */
import { Box, Button, useComputedColorScheme, VisuallyHidden } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import classes from "./Chart.module.css";
import { type ChartMark, drawMarks, followFingers, momentIn, summaryOf } from "./chart_parts.ts";
import type { Span } from "./span_text.ts";

export interface Series {
  label: string;
  /** One value for each point in time; null for none. */
  values: (number | null)[];
  colour: ChartColour;
  /** Fills the area below the line. */
  area?: boolean;
  dashed?: boolean;
}

/**
 * Colours that are readable in dark and light mode, and distinct for people with red-green colour blindness.
 */
const COLOURS = {
  teal: { light: "#087f5b", dark: "#38d9a9" },
  orange: { light: "#d9480f", dark: "#ffa94d" },
  blue: { light: "#1864ab", dark: "#74c0fc" },
  red: { light: "#c92a2a", dark: "#ff8787" },
  grey: { light: "#868e96", dark: "#909296" },
};
export type ChartColour = keyof typeof COLOURS;

export interface ChartProps {
  /** Description of the chart, for screen readers. */
  label: string;
  /** Unix times in seconds. */
  times: number[];
  /** From one time to the next, in seconds. Days are those of UTC. @default {60} */
  step?: number;
  series: Series[];
  format?: (value: number) => string;
  height?: number;
  /** Whether to show a legend below, with the values under the pointer. */
  legend?: boolean;
  /** Least upper end of the vertical axis. */
  least?: number;
  /** Drawn as lines with their numbers; whoever gives them tells their text below. */
  marks?: readonly ChartMark[];
  /** Called with a span that was chosen, or with undefined for the whole. Without it none can be chosen. */
  choose?: (span: Span | undefined) => void;
  /** Called with the span of one point that was clicked, or on which Enter was pressed. */
  open?: (span: Span) => void;
}

/** Pixels that a pointer may move during a click. */
const STILL = 4;
const DAY = 86_400;

export default function Chart(
  {
    label,
    times,
    step = 60,
    series,
    format = String,
    height = 200,
    least = 0,
    legend = true,
    marks = [],
    choose,
    open,
  }: ChartProps,
) {
  const scheme = useComputedColorScheme("light");
  const { ref: sized, width } = useElementSize();
  const target = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const about = useId();
  const [isTable, setTable] = useState(false);
  const data = [times, ...series.map(({ values }) => values)] as uPlot.AlignedData;
  const shape = JSON.stringify(
    series.map(({ label, colour, dashed, area }) => [label, colour, dashed, area]),
  );
  const drawn = width > 0;
  const zone = step >= DAY ? "UTC" : undefined;
  const isLong = times.length > 1 && times.at(-1)! - times[0] > DAY;
  const moment = (at: number) => momentIn(at, zone, isLong);
  // What the plot calls is of the newest render: it is made once.
  const now = useRef({ times, step, marks, choose, open, moment });
  now.current = { times, step, marks, choose, open, moment };
  const isChosen = choose !== undefined, isOpened = open !== undefined;

  useEffect(() => {
    if (!drawn || !target.current) return;
    const grid = scheme === "dark" ? "#373a40" : "#e9ecef";
    const ink = scheme === "dark" ? "#a6a9b0" : "#5c636b";
    const axis = {
      stroke: ink,
      grid: { stroke: grid, width: 1 },
      ticks: { show: false },
      font: "11px system-ui",
    };
    let pressedAt = 0;
    plot.current = new uPlot(
      {
        width: target.current.clientWidth,
        height,
        // Room for half of a time label at the right edge.
        padding: [10, 30, 0, 0],
        cursor: { points: { size: 7 }, drag: { x: isChosen, y: false, setScale: false, dist: STILL } },
        legend: { show: legend, live: true },
        ...(zone === undefined ? {} : { tzDate: (at) => uPlot.tzDate(new Date(at * 1e3), "Etc/UTC") }),
        scales: { y: { range: (_plot, _least, most) => [0, Math.max((most || 0) * 1.06, least, 1e-9)] } },
        axes: [
          {
            ...axis,
            grid: { show: false },
            space: 70,
            size: 28,
            values: (_plot, at) => at.map((second) => momentIn(second, zone, false)),
          },
          { ...axis, size: 48, values: (_plot, values) => values.map(format) },
        ],
        hooks: {
          draw: [(plot) => drawMarks(plot, now.current.marks, ink)],
          setSelect: [(plot) => {
            const { left, width } = plot.select;
            if (width <= STILL) return;
            const [from, to] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
            plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            const { step, choose } = now.current;
            choose?.({ from: Math.floor(from / step) * step, to: Math.ceil(to / step) * step });
          }],
          ready: [(made) => {
            const { over } = made;
            if (isChosen) followFingers(made);
            if (isOpened) over.style.cursor = "pointer";
            over.addEventListener("mousedown", ({ clientX }) => pressedAt = clientX);
            over.addEventListener("click", ({ clientX }) => {
              const index = made.cursor.idx;
              if (Math.abs(clientX - pressedAt) <= STILL && index != null) openAt(index);
            });
          }],
        },
        series: [
          { value: (_plot, at) => at == null ? "" : now.current.moment(at) },
          ...series.map(({ label, colour, area, dashed }): uPlot.Series => ({
            label,
            stroke: COLOURS[colour][scheme],
            fill: area ? `${COLOURS[colour][scheme]}22` : undefined,
            width: 2,
            dash: dashed ? [6, 4] : undefined,
            points: { show: times.length === 1 },
            spanGaps: true,
            // Without a pointer on the chart, the newest value.
            value: (plot, value, index) => {
              const told = plot.cursor.idx == null
                ? [...plot.data[index]].findLast((one) => one != null)
                : value;
              return told == null ? "–" : format(told);
            },
          })),
        ],
      },
      data,
      target.current,
    );
    return () => plot.current?.destroy();
  }, [scheme, shape, height, drawn, isChosen, isOpened, zone, times.length === 1]);
  useEffect(() => plot.current?.setData(data), [JSON.stringify(data)]);
  useEffect(() => plot.current?.redraw(false), [JSON.stringify(marks)]);
  useEffect(() => {
    if (width > 0) plot.current?.setSize({ width, height });
  }, [width, height]);

  function openAt(index: number): void {
    const { times, step, open } = now.current;
    open?.({ from: times[index], to: times[index] + step });
  }

  // By keyboard: where the reader is, and where the choice of a span began.
  const [at, setAt] = useState<number>();
  const [since, setSince] = useState<number>();
  const here = Math.min(at ?? times.length - 1, times.length - 1);
  function show(index: number | undefined, anchor: number | undefined): void {
    setAt(index);
    setSince(anchor);
    const { current } = plot;
    if (!current) return;
    const left = (index: number) => current.valToPos(times[index], "x");
    current.setCursor(index === undefined ? { left: -10, top: -10 } : { left: left(index), top: height / 2 });
    const [first, last] = [anchor ?? 0, index ?? 0].toSorted((a, b) => a - b);
    const width = anchor === undefined ? 0 : left(last) - left(first);
    current.setSelect(
      { left: left(first), top: 0, width, height: width && current.over.clientHeight },
      false,
    );
  }
  function onKeyDown(event: KeyboardEvent): void {
    const moves: Record<string, number> = {
      ArrowLeft: here - 1,
      ArrowRight: here + 1,
      ArrowDown: here - 1,
      ArrowUp: here + 1,
      PageUp: here + 10,
      PageDown: here - 10,
      Home: 0,
      End: times.length - 1,
    };
    const to = moves[event.key];
    if (to !== undefined) {
      // The first press of an arrow begins where the reader is taken to be: at the newest.
      const begins = at === undefined && event.key.startsWith("Arrow") && !event.shiftKey;
      const next = Math.max(0, Math.min(times.length - 1, begins ? here : to));
      show(next, event.shiftKey && choose ? since ?? here : undefined);
    } else if (event.key === "Enter" || event.key === " ") {
      if (since !== undefined && since !== here) {
        const [first, last] = [since, here].toSorted((a, b) => a - b);
        show(undefined, undefined);
        choose?.({ from: times[first], to: times[last] + step });
      } else openAt(here);
    } else if (event.key === "Escape" && (since !== undefined || choose)) {
      if (since !== undefined) show(here, undefined);
      else choose?.(undefined);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
  const valuesAt = (index: number) =>
    series.map(({ label, values }) => `${label} ${values[index] == null ? "none" : format(values[index])}`);
  const heard = times.length === 0
    ? "no values"
    : since !== undefined && since !== here
    ? `chosen: ${moment(times[Math.min(since, here)])} to ${moment(times[Math.max(since, here)])}`
    : `${moment(times[here])}: ${valuesAt(here).join(", ")}`;

  return (
    <Box ref={sized}>
      <div
        className={classes.read}
        role="slider"
        tabIndex={0}
        aria-label={label}
        aria-describedby={about}
        aria-valuemin={0}
        aria-valuemax={Math.max(0, times.length - 1)}
        aria-valuenow={Math.max(0, here)}
        aria-valuetext={heard}
        onKeyDown={onKeyDown}
        onBlur={() => show(undefined, undefined)}
      >
        <div ref={target} className={classes.chart} style={{ minHeight: height }} aria-hidden="true" />
      </div>
      <VisuallyHidden id={about}>
        {summaryOf(times, series, moment, format)}
        {choose && " Shift with the arrow keys chooses a span, Enter opens it, Escape shows the whole."}
        {open && " Enter on a point opens its list."}
      </VisuallyHidden>
      <Button
        variant="subtle"
        size="compact-xs"
        aria-expanded={isTable}
        aria-label={`${isTable ? "Hide table" : "Table"}: ${label}`}
        onClick={() => setTable((before) => !before)}
      >
        {isTable ? "Hide table" : "Table"}
      </Button>
      {isTable && (
        <div className={classes.values} tabIndex={0} role="region" aria-label={`Values: ${label}`}>
          <table>
            <caption>{label}</caption>
            <thead>
              <tr>
                <th scope="col">Time</th>
                {series.map(({ label }) => <th scope="col" key={label}>{label}</th>)}
              </tr>
            </thead>
            <tbody>
              {times.map((at, index) => (
                <tr key={at}>
                  <th scope="row">{moment(at)}</th>
                  {series.map(({ label, values }) => (
                    <td key={label}>{values[index] == null ? "none" : format(values[index])}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Box>
  );
}
