/** Error rate and latency of each function. */
import { Table, Text } from "@mantine/core";
import { Section } from "../../ui/Section.tsx";
import { Empty } from "../../ui/states.tsx";
import type { Overview } from "../../../../supabase/functions/_shared/contract/answers/operations.ts";
import classes from "./overview.module.css";

const ms = (value: number | null) =>
  value == null ? "–" : `${value < 10 ? value : Math.round(value).toLocaleString()} ms`;

export function Functions({ functions }: { functions: Overview["functions"] }) {
  return (
    <Section title="Functions" flush>
      {functions.length === 0
        ? (
          <Empty icon="pulse" title="No requests in this period">
            Send a message to your number, or use the simulator.
          </Empty>
        )
        : (
          <Table.ScrollContainer type="native" minWidth={520} tabIndex={0} aria-label="Functions">
            <Table className={classes.number} horizontalSpacing="md">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>Function</Table.Th>
                  <Table.Th ta="right">Requests</Table.Th>
                  <Table.Th ta="right">Errors</Table.Th>
                  <Table.Th ta="right">p50</Table.Th>
                  <Table.Th ta="right">p95</Table.Th>
                  <Table.Th ta="right">p99</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {functions.map(({ name, requests, errors, p50_ms, p95_ms, p99_ms }) => (
                  <Table.Tr key={name}>
                    <Table.Th scope="row">
                      <Text size="sm" ff="monospace">{name}</Text>
                    </Table.Th>
                    <Table.Td ta="right">{requests.toLocaleString()}</Table.Td>
                    <Table.Td ta="right">
                      <Text
                        span
                        size="sm"
                        c={errors > 0 ? "var(--bad)" : "dimmed"}
                        fw={errors > 0 ? 600 : 400}
                      >
                        {errors === 0
                          ? "0"
                          : `${errors.toLocaleString()} (${(100 * errors / requests).toFixed(2)} %)`}
                      </Text>
                    </Table.Td>
                    <Table.Td ta="right">{ms(p50_ms)}</Table.Td>
                    <Table.Td ta="right">{ms(p95_ms)}</Table.Td>
                    <Table.Td ta="right">{ms(p99_ms)}</Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        )}
    </Section>
  );
}
