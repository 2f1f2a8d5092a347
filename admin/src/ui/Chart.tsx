/** A line chart over time, drawn by uPlot, with a table of the same values for those who cannot see it. */
import { Box, useComputedColorScheme, VisuallyHidden } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import classes from "./Chart.module.css";

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

export default function Chart(
  { label, times, series, format = String, height = 200, least = 0, legend = true }: {
    /** Description of the chart, for screen readers. */
    label: string;
    /** Unix times in seconds. */
    times: number[];
    series: Series[];
    format?: (value: number) => string;
    height?: number;
    /** Whether to show a legend below, with the values under the pointer. */
    legend?: boolean;
    /** Least upper end of the vertical axis. */
    least?: number;
  },
) {
  const scheme = useComputedColorScheme("light");
  const { ref: sized, width } = useElementSize();
  const target = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const data = [times, ...series.map(({ values }) => values)] as uPlot.AlignedData;
  const shape = JSON.stringify(
    series.map(({ label, colour, dashed, area }) => [label, colour, dashed, area]),
  );
  const drawn = width > 0;

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
    plot.current = new uPlot(
      {
        width: target.current.clientWidth,
        height,
        // Room for half of a time label at the right edge.
        padding: [10, 30, 0, 0],
        cursor: { points: { size: 7 }, drag: { x: false, y: false } },
        legend: { show: legend, live: true },
        scales: { y: { range: (_plot, _least, most) => [0, Math.max((most || 0) * 1.06, least, 1e-9)] } },
        axes: [
          {
            ...axis,
            grid: { show: false },
            space: 70,
            size: 28,
            values: (_plot, at) =>
              at.map((second) =>
                new Date(second * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })
              ),
          },
          { ...axis, size: 48, values: (_plot, values) => values.map(format) },
        ],
        series: [
          {
            value: (_plot, at) =>
              at == null
                ? ""
                : new Date(at * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }),
          },
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
  }, [scheme, shape, height, drawn]);
  useEffect(() => plot.current?.setData(data), [JSON.stringify(data)]);
  useEffect(() => {
    if (width > 0) plot.current?.setSize({ width, height });
  }, [width, height]);

  return (
    <Box ref={sized}>
      <div ref={target} className={classes.chart} style={{ minHeight: height }} aria-hidden="true" />
      <VisuallyHidden>
        <table>
          <caption>{label}</caption>
          <thead>
            <tr>
              <th scope="col">Time</th>
              {series.map(({ label }) => <th scope="col" key={label}>{label}</th>)}
            </tr>
          </thead>
          <tbody>
            {times.slice(-10).map((at, index, last) => (
              <tr key={at}>
                <th scope="row">{new Date(at * 1000).toLocaleTimeString()}</th>
                {series.map(({ label, values }) => {
                  const value = values[times.length - last.length + index];
                  return <td key={label}>{value == null ? "none" : format(value)}</td>;
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </VisuallyHidden>
    </Box>
  );
}
