/** Error rate and latency of both arms: with the flag on and with it off. */
import { Group, Skeleton, Stack, Table, Text } from "@mantine/core";
import { lazy, Suspense } from "react";
import { useRows } from "../../data/query.ts";
import type { Rollout } from "../../data/rollouts.ts";
import { Section } from "../../ui/Section.tsx";
import { useSpan } from "../../ui/span.ts";
import { type Span, writeSpan } from "../../ui/span_text.ts";
import { Empty, Loaded } from "../../ui/states.tsx";
import { TRAFFIC_MARKS } from "../charts/traffic.ts";
import { type Figures, steps, sum } from "./arms.ts";
import classes from "./rollouts.module.css";

const Explored = lazy(() => import("../charts/Explored.tsx"));
/** Limit of rows: both arms of eight hours. */
const ROWS = 960;

const within = ({ from, to }: Span, at: number) => at >= from && at < to;

const percent = (rate: number | null) => rate === null ? "–" : `${(100 * rate).toFixed(2)} %`;

export function Arms({ rollout }: { rollout: Rollout }) {
  const metrics = useRows(
    ["flag_metrics", { flag: rollout.flag_key, until: rollout.finished_at }],
    (client) => {
      const rows = client.from("flag_metrics").select("minute,arm,n,failed,timed,le").eq(
        "flag_key",
        rollout.flag_key,
      )
        .gte("minute", rollout.started_at!).order("minute", { ascending: false }).limit(ROWS);
      return rollout.finished_at ? rows.lte("minute", rollout.finished_at) : rows;
    },
  );
  const [zoom, setZoom] = useSpan();
  return (
    <Section
      title="With and without the flag"
      about="Up to the last eight hours."
    >
      <Loaded
        of={metrics}
        empty={
          <Empty icon="pulse" title="No outcomes yet">
            Outcomes are counted when people use the feature, with the flag on and off.
          </Empty>
        }
      >
        {(all) => {
          const rows = zoom ? all.filter(({ minute }) => within(zoom, Date.parse(minute) / 1000)) : all;
          const minutes = rows.length > 240 ? 10 : rows.length > 60 ? 5 : 1;
          const grouped = steps(rows, minutes);
          const explored = {
            times: grouped.map(({ at }) => at),
            step: minutes * 60,
            height: 130,
            zoom,
            setZoom,
            list: { name: "Messages", href: (span: Span) => `/messages?span=${writeSpan(span)}` },
          };
          return (
            <Stack gap="sm">
              <Table className={classes.figure}>
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>Arm</Table.Th>
                    <Table.Th ta="right">Outcomes</Table.Th>
                    <Table.Th ta="right">Failed</Table.Th>
                    <Table.Th ta="right">p95</Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  <Arm name="with the flag" figures={sum(rows.filter(({ arm }) => arm === "on"))} />
                  <Arm name="without the flag" figures={sum(rows.filter(({ arm }) => arm === "off"))} />
                </Table.Tbody>
              </Table>
              <Suspense fallback={<Skeleton height={300} />}>
                <Text size="xs" fw={600}>Failures</Text>
                <Explored
                  {...explored}
                  label="Failures, both arms"
                  series={[
                    {
                      label: "with the flag",
                      colour: "red",
                      values: grouped.map(({ on }) => on.rate === null ? null : 100 * on.rate),
                    },
                    {
                      label: "without the flag",
                      colour: "grey",
                      values: grouped.map(({ off }) => off.rate === null ? null : 100 * off.rate),
                    },
                  ]}
                  format={(value) => `${+value.toFixed(2)} %`}
                  least={1}
                />
                <Text size="xs" fw={600}>p95</Text>
                <Explored
                  {...explored}
                  label="p95, both arms"
                  marked={TRAFFIC_MARKS}
                  series={[
                    { label: "with the flag", colour: "blue", values: grouped.map(({ on }) => on.p95) },
                    { label: "without the flag", colour: "grey", values: grouped.map(({ off }) => off.p95) },
                  ]}
                  format={(value) => `${Math.round(value)} ms`}
                  least={50}
                />
              </Suspense>
            </Stack>
          );
        }}
      </Loaded>
    </Section>
  );
}

function Arm({ name, figures }: { name: string; figures: Figures }) {
  return (
    <Table.Tr>
      <Table.Th scope="row">{name}</Table.Th>
      <Table.Td ta="right">{figures.n.toLocaleString()}</Table.Td>
      <Table.Td ta="right">
        <Group gap={4} justify="flex-end">{percent(figures.rate)}</Group>
      </Table.Td>
      <Table.Td ta="right">{figures.p95 === null ? "–" : `${figures.p95} ms`}</Table.Td>
    </Table.Tr>
  );
}
