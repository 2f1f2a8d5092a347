/** The guard's tests: S of each, and the threshold at which it rolls back. */
import { Group, Progress, Skeleton, Stack, Text } from "@mantine/core";
import { lazy, Suspense } from "react";
import { ALARM } from "../../../../supabase/functions/_shared/rollouts/series.ts";
import type { Evidence } from "../../../../supabase/functions/_shared/rollouts/replay.ts";
import { useRpc } from "../../data/query.ts";
import { type Rollout, type RolloutEvent, underWay } from "../../data/rollouts.ts";
import { Section } from "../../ui/Section.tsx";
import { Empty } from "../../ui/states.tsx";

const Chart = lazy(() => import("../../ui/Chart.tsx"));

/** The tests, by their index in a point of the path. */
const TESTS = [
  { at: 1, label: "more failures than allowed", colour: "orange" },
  { at: 2, label: "more failures than without the flag", colour: "red" },
  { at: 3, label: "more slow outcomes than allowed", colour: "blue" },
  { at: 4, label: "more slow outcomes than without the flag", colour: "teal" },
] as const;
const THRESHOLD = ALARM / 1e6;

const evidenceOf = (value: unknown) =>
  (value as Partial<Evidence> | null)?.guard === 2 ? value as Evidence : undefined;

export function Guard({ rollout, events }: { rollout: Rollout; events: RolloutEvent[] }) {
  const live = useRpc("watch_rollout", { p_id: rollout.id }, { enabled: underWay(rollout) });
  // The whole stage: the points recorded with its events, and those since.
  const kept = events.map(({ evidence }) => evidenceOf(evidence)).filter((evidence) =>
    evidence?.stage === rollout.stage
  );
  const points = [
    ...kept.flatMap((evidence) => evidence!.path),
    ...(underWay(rollout) ? live.data?.path ?? [] : []),
  ];
  const path = [...new Map(points.map((point) => [point[0], point])).values()].sort((a, b) => a[0] - b[0]);
  const last = path.at(-1);
  const seen = (underWay(rollout) ? live.data : kept[0])?.after.seen;

  return (
    <Section
      title="Guard"
      about={`Evidence against the feature, checked every minute. Rolls back at ${THRESHOLD.toFixed(1)}.`}
    >
      {path.length === 0 || !last
        ? (
          <Empty icon="clock" title="No data in this stage yet">
            Data appears 20 seconds after the first full minute in which people use the feature.
          </Empty>
        )
        : (
          <Stack gap="sm">
            {TESTS.map(({ at, label, colour }) => {
              const s = last[at] / 1e6;
              return (
                <div key={at}>
                  <Group justify="space-between">
                    <Text size="xs">{label}</Text>
                    <Text size="xs" fw={600} style={{ fontVariantNumeric: "tabular-nums" }}>
                      {s.toFixed(2)} of {THRESHOLD.toFixed(2)}
                    </Text>
                  </Group>
                  <Progress
                    value={Math.min(100, 100 * s / THRESHOLD)}
                    color={s >= THRESHOLD ? "red" : s >= THRESHOLD / 2 ? "yellow" : colour}
                    size="sm"
                    aria-label={`${label}: evidence ${s.toFixed(2)} of ${THRESHOLD.toFixed(2)}`}
                  />
                </div>
              );
            })}
            <Suspense fallback={<Skeleton height={180} />}>
              <Chart
                label="Evidence of each test, per minute"
                times={path.map(([minute]) => minute * 60)}
                series={[
                  ...TESTS.map(({ at, label, colour }) => ({
                    label,
                    colour,
                    values: path.map((point) => point[at] / 1e6),
                  })),
                  {
                    label: "threshold",
                    colour: "grey" as const,
                    dashed: true,
                    values: path.map(() => THRESHOLD),
                  },
                ]}
                format={(value) => value.toFixed(1)}
                height={180}
                legend={false}
              />
            </Suspense>
            {seen && (
              <Text size="xs" c="dimmed">
                {seen.n.toLocaleString()} outcomes in this stage with the flag on:{" "}
                {seen.failed.toLocaleString()} failed, {seen.late.toLocaleString()} of{" "}
                {seen.timed.toLocaleString()} timed outcomes were slower than the stage allows.
              </Text>
            )}
          </Stack>
        )}
    </Section>
  );
}
