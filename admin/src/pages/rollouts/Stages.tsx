/** The stages as a timeline: the finished ones, the current one, and the criteria of each. */
import { Text } from "@mantine/core";
import type { Rollout, Stage } from "../../data/rollouts.ts";
import { Section } from "../../ui/Section.tsx";
import { Time } from "../../ui/Time.tsx";
import { duration } from "../../ui/times.ts";
import classes from "./rollouts.module.css";

const percent = (rate: number) => `${+(rate * 100).toFixed(3)} %`;

/** The criteria to advance, and those to roll back. */
function criteria(
  { advance_when: go, roll_back_when: back, first_day: day, metrics, min_samples }: Stage,
): { on: string; back: string } {
  const on = [
    ...(go.no_errors ? ["no failures"] : []),
    ...(go.error_rate_below === undefined ? [] : [`failures below ${percent(go.error_rate_below)}`]),
    ...(go.p95_ms_below === undefined ? [] : [`p95 below ${go.p95_ms_below} ms`]),
    ...(go.complaints_at_most === undefined ? [] : [`at most ${go.complaints_at_most} complaints`]),
    ...(go.positive_share_above === undefined
      ? []
      : [`more than ${percent(go.positive_share_above)} of ${go.min_ratings} ratings positive`]),
    ...metrics.flatMap(({ name, max_fall, max_rise, at_least_per_day, of, share_above, share_below }) => [
      ...(max_fall === undefined ? [] : [`${name} not down by more than ${percent(max_fall)}`]),
      ...(max_rise === undefined ? [] : [`${name} not up by more than ${percent(max_rise)}`]),
      ...(share_above === undefined ? [] : [`${name} above ${percent(share_above)} of ${of}`]),
      ...(share_below === undefined ? [] : [`${name} below ${percent(share_below)} of ${of}`]),
      ...(at_least_per_day === undefined ? [] : [`${name} at least ${at_least_per_day} a day`]),
    ]),
    ...(min_samples > 0 ? [`${min_samples.toLocaleString()} outcomes`] : []),
  ];
  const { plain } = back;
  const ends = [
    ...(back.error_rate_above === undefined ? [] : [`failures above ${percent(back.error_rate_above)}`]),
    ...(back.p95_ms_above === undefined ? [] : [`p95 above ${back.p95_ms_above} ms`]),
    ...(back.complaints_above === undefined ? [] : [`more than ${back.complaints_above} complaints`]),
    ...metrics.flatMap(({ name, of, back_below, back_above, at_most_per_hour }) => [
      ...(back_below === undefined ? [] : [`${name} below ${percent(back_below)} of ${of}`]),
      ...(back_above === undefined ? [] : [`${name} above ${percent(back_above)} of ${of}`]),
      ...(at_most_per_hour === undefined ? [] : [`${name} more than ${at_most_per_hour} times an hour`]),
    ]),
    ...metrics.filter(({ then }) => then === "roll_back").flatMap(({ name, max_fall, max_rise }) => [
      ...(max_fall === undefined ? [] : [`${name} down by more than ${percent(max_fall)}`]),
      ...(max_rise === undefined ? [] : [`${name} up by more than ${percent(max_rise)}`]),
    ]),
    ...(day?.error_rate_above === undefined
      ? []
      : [`on the first day failures above ${percent(day.error_rate_above)}`]),
    ...(day?.p95_ms_above === undefined ? [] : [`on the first day p95 above ${day.p95_ms_above} ms`]),
    ...(day?.complaints_above === undefined
      ? []
      : [`on the first day more than ${day.complaints_above} complaints`]),
    ...(plain?.error_rate_above === undefined
      ? []
      : [`${percent(plain.error_rate_above)} failures within ${plain.minutes} min`]),
    ...(plain?.mean_ms_above === undefined
      ? []
      : [`mean above ${plain.mean_ms_above} ms for ${plain.minutes} min`]),
  ];
  return { on: on.join(", "), back: ends.join(", ") };
}

/** Scrolls a timeline that is wider than the window to the current stage. */
function bringIntoView(current: HTMLLIElement | null): void {
  const line = current?.parentElement;
  if (line) line.scrollLeft = current.offsetLeft - line.offsetLeft - 24;
}

export function Stages({ rollout, stages }: { rollout: Rollout; stages: Stage[] }) {
  return (
    <Section title="Stages">
      <ol className={classes.stages} tabIndex={0} aria-label="Stages">
        {stages.map((stage) => {
          const now = stage.position === rollout.stage && rollout.finished_at === null;
          const state = now ? "now" : stage.entered_at ? "done" : "to come";
          const { on, back } = criteria(stage);
          return (
            <li
              key={stage.position}
              ref={now ? bringIntoView : undefined}
              className={classes.stage}
              data-state={state}
              aria-current={now ? "step" : undefined}
            >
              <Text size="xs" c="dimmed">
                {now ? "Current" : state === "done" ? "Done" : "Upcoming"}
                {stage.name !== `${Number(stage.percentage)} %` && ` · ${stage.name}`}
              </Text>
              <Text fw={700} size="lg">
                {stage.users === null
                  ? `${Number(stage.percentage)} %`
                  : `${stage.users.toLocaleString()} people`}
              </Text>
              <Text size="xs" c="dimmed" component="div">
                at least {duration(stage.hold_minutes * 60)}
                {stage.entered_at && (
                  <>
                    , started <Time at={stage.entered_at} />
                  </>
                )}
              </Text>
              <Text size="xs" mt={6}>
                <strong>Advance when</strong> {on}
              </Text>
              <Text size="xs">
                <strong>Roll back when</strong> {back}
              </Text>
            </li>
          );
        })}
      </ol>
    </Section>
  );
}
