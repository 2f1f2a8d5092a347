/**
 * A chart that answers: zoomed to a span, which the address holds; with what happened meanwhile as marks, the span before
 * beside it in words, and a way from a spike to what it is made of.
 */
import { Anchor, Button, Group, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { Link } from "wouter";
import { useNames } from "../../session/team.ts";
import Chart, { type ChartProps } from "../../ui/Chart.tsx";
import { navigate } from "../../ui/location.ts";
import type { Span } from "../../ui/span_text.ts";
import { Time } from "../../ui/Time.tsx";
import { madeBy } from "../../words/actors.ts";
import { comparedInWords, lengthInWords, spanInWords } from "../../words/spans.ts";
import { type MarksOf, MOST_MARKS, useMarks } from "./marks.ts";
import classes from "./charts.module.css";

/** A line of the chart whose sum is compared with that of the span before. */
export interface Compared {
  /** As in "340 in, 12 % more than in the hour before". */
  name: string;
  now: readonly number[];
  /** undefined while it is read, or where it is not known. */
  before: readonly number[] | undefined;
}

interface Props extends Pick<ChartProps, "label" | "times" | "series" | "format" | "height" | "least"> {
  step: number;
  /** The span that the address holds; undefined for the whole. */
  zoom: Span | undefined;
  setZoom: (span: Span | undefined) => void;
  /** What to mark. */
  marked?: MarksOf;
  compared?: readonly Compared[];
  /** The list of what a span of the chart is made of. */
  list?: { name: string; href: (span: Span) => string };
}

/** Marks whose text is shown at first, the newest; all are on the chart. */
const FEW = 5;

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

export default function Explored(
  { zoom, setZoom, marked, compared = [], list, step, times, ...chart }: Props,
) {
  const shown: Span | undefined = times.length === 0
    ? zoom
    : { from: times[0], to: times[times.length - 1] + step };
  const { marks, cut } = useMarks(shown, marked);
  const nameOf = useNames();
  const [isWhole, setWhole] = useState(false);
  const told = isWhole ? marks : marks.slice(-FEW);
  const days = step >= 86_400;
  return (
    <Stack gap={6}>
      {zoom && (
        <Group gap="xs" role="status">
          <Text size="sm" fw={600}>
            {days ? daysInWords(zoom) : spanInWords(zoom.from, zoom.to)}
          </Text>
          <Button size="compact-xs" variant="default" onClick={() => setZoom(undefined)}>Whole period</Button>
          {list && (
            <Anchor component={Link} href={list.href(zoom)} size="sm" underline="always">
              {list.name} of this time
            </Anchor>
          )}
        </Group>
      )}
      {shown && compared.some(({ before }) => before !== undefined) && (
        <Text size="xs" c="dimmed">
          {compared.flatMap(({ name, now, before }) =>
            before === undefined
              ? []
              : [comparedInWords(name, sum(now), sum(before), lengthInWords(shown.to - shown.from))]
          ).join("; ")}.
        </Text>
      )}
      <Chart
        {...chart}
        times={times}
        step={step}
        marks={marks}
        choose={setZoom}
        open={list && ((span) => navigate(list.href(span)))}
      />
      <Text size="xs" c="dimmed" aria-hidden="true">
        Drag over the chart to zoom in{list && `, or click a point for its ${list.name.toLowerCase()}`}.
      </Text>
      {told.length > 0 && (
        <ol className={classes.marks} aria-label={`What happened meanwhile: ${chart.label}`}>
          {told.map(({ id, n, text, href, entry }) => {
            const { by } = madeBy(entry, nameOf);
            return (
              <li key={id}>
                <Text size="xs" component="span" className={classes.number} aria-hidden="true">{n}</Text>
                <Text size="xs" component="div" dir="auto">
                  {href === undefined
                    ? text
                    : <Anchor component={Link} href={href} inherit underline="always">{text}</Anchor>}{" "}
                  <Text span inherit c="dimmed">
                    <Time at={entry.at} /> {by}
                  </Text>
                </Text>
              </li>
            );
          })}
        </ol>
      )}
      {marks.length > FEW && (
        <Button
          variant="subtle"
          size="compact-xs"
          style={{ alignSelf: "flex-start" }}
          aria-expanded={isWhole}
          onClick={() => setWhole((before) => !before)}
        >
          {isWhole ? `Show the newest ${FEW}` : `Show all ${marks.length} changes`}
        </Button>
      )}
      {cut && isWhole && (
        <Text size="xs" c="dimmed">
          The newest {MOST_MARKS}. <Anchor component={Link} href="/audit" inherit>All changes</Anchor>
        </Text>
      )}
    </Stack>
  );
}

/** Whole days, the last of which is in the span. */
function daysInWords({ from, to }: Span): string {
  const day = (at: number) =>
    new Date(at * 1000).toLocaleDateString(undefined, { dateStyle: "medium", timeZone: "UTC" });
  const [first, last] = [day(from), day(to - 86_400)];
  return first === last ? first : `${first} to ${last}`;
}
