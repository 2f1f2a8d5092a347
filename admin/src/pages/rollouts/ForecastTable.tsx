/** How long each stage will take, and how soon a fault would be detected. */
import { Alert, Stack, Table, Text } from "@mantine/core";
import { Icon } from "../../ui/icons.tsx";
import { duration } from "../../ui/times.ts";
import type { Forecast } from "../../../../supabase/functions/_shared/contract/answers/rollouts.ts";
import classes from "./rollouts.module.css";

const lasts = (minutes: number | null | undefined) => minutes == null ? "–" : duration(minutes * 60);

export function ForecastTable({ forecast }: { forecast: Forecast }) {
  const { traffic, per_minute, failure_rate, stages, minutes, passes } = forecast;
  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed">
        {traffic === "unknown"
          ? "There are no outcomes for this flag yet, so only the hold times are known. Enter how many outcomes per minute you expect."
          : `${per_minute} outcomes per minute${traffic === "measured" ? " in the last 7 days" : ""}${
            failure_rate === null ? "" : `, of which ${+(failure_rate * 100).toFixed(3)} % fail`
          }.`} Minimum total duration: {lasts(minutes)}.
      </Text>
      {!passes && (
        <Alert
          color="red"
          icon={<Icon name="warn" />}
          title="A stage cannot pass at the current failure rate"
        >
          Fix the failures first, or raise the limit in the plan.
        </Alert>
      )}
      <Table.ScrollContainer type="native" minWidth={640} tabIndex={0} aria-label="Forecast">
        <Table className={classes.figure}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Stage</Table.Th>
              <Table.Th ta="right">Share</Table.Th>
              <Table.Th ta="right">Duration</Table.Th>
              <Table.Th>Limited by</Table.Th>
              <Table.Th ta="right">Outcomes needed</Table.Th>
              <Table.Th ta="right">2× detected in</Table.Th>
              <Table.Th ta="right">5×</Table.Th>
              <Table.Th ta="right">20 %</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {stages.map((stage) => (
              <Table.Tr key={stage.name}>
                <Table.Th scope="row">{stage.name}</Table.Th>
                <Table.Td ta="right">{stage.percentage} %</Table.Td>
                <Table.Td ta="right">
                  {stage.passes
                    ? lasts(stage.minutes)
                    : <Text span size="sm" c="var(--bad)">cannot pass</Text>}
                </Table.Td>
                <Table.Td>
                  {(stage.minutes_for_samples ?? 0) > stage.hold_minutes ? "traffic" : "hold time"}
                </Table.Td>
                <Table.Td ta="right">{stage.samples_needed.toLocaleString()}</Table.Td>
                <Table.Td ta="right">{lasts(stage.caught_after_minutes?.["2x"])}</Table.Td>
                <Table.Td ta="right">{lasts(stage.caught_after_minutes?.["5x"])}</Table.Td>
                <Table.Td ta="right">{lasts(stage.caught_after_minutes?.["20%"])}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Stack>
  );
}
