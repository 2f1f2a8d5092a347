/** Figures of both environments beside each other. */
import { Table, Text } from "@mantine/core";
import type {
  EnvironmentWatch,
  TrafficFigures,
} from "../../../../supabase/functions/_shared/contract/answers/traffic.ts";
import { useRpc } from "../../data/query.ts";
import { TRAFFIC_MS } from "../../data/traffic.ts";
import { Section } from "../../ui/Section.tsx";
import { Loaded } from "../../ui/states.tsx";
import { Sided } from "./Sided.tsx";

type Figures = TrafficFigures["environments"]["blue"];
type Watched = EnvironmentWatch["environments"]["blue"];

const UNKNOWN = "not known";
const count = (n: number) => n.toLocaleString();
const share = (value: number | null) => value === null ? UNKNOWN : `${+(value * 100).toFixed(3)} %`;
const ms = (value: number | null) => value === null ? UNKNOWN : `${value.toLocaleString()} ms`;
const mb = (value: number | null) => value === null ? UNKNOWN : `${value.toLocaleString()} MB`;

const OF_REQUESTS: [label: string, read: (of: Figures) => string][] = [
  ["Requests", ({ requests }) => count(requests)],
  ["Failed (5xx)", ({ failed }) => count(failed)],
  ["Refused (4xx)", ({ refused }) => count(refused)],
  ["Error rate", ({ error_rate }) => share(error_rate)],
  ["Mean", ({ mean_ms }) => ms(mean_ms)],
  ["p99", ({ p99_ms }) => ms(p99_ms)],
];
const OF_PROCESSES: [label: string, read: (of: Watched) => string][] = [
  ["Database errors", ({ database_errors }) => count(database_errors)],
  ["Memory", ({ memory_mb }) => mb(memory_mb)],
  ["Growth a minute", ({ memory_growth_mb }) => mb(memory_growth_mb)],
  ["CPU", () => UNKNOWN],
];

export function Compared() {
  const figures = useRpc("traffic_figures", { p_minutes: 5 }, { every: TRAFFIC_MS });
  const watch = useRpc("environment_watch", {}, { every: TRAFFIC_MS });
  return (
    <Section
      title="Compared"
      about="Requests of the last 5 minutes; what concerns processes, of the last 10. The platform does not tell the CPU of a function."
      flush
    >
      <Loaded of={figures} rows={6}>
        {({ environments }) => (
          <Sided label="Figures of both">
            {OF_REQUESTS.map(([label, read]) => (
              <Row
                key={label}
                label={label}
                blue={read(environments.blue)}
                green={read(environments.green)}
              />
            ))}
            {watch.data && OF_PROCESSES.map(([label, read]) => (
              <Row
                key={label}
                label={label}
                blue={read(watch.data.environments.blue)}
                green={read(watch.data.environments.green)}
              />
            ))}
          </Sided>
        )}
      </Loaded>
      {watch.data && (
        <Text size="sm" c="dimmed" px="md" py="sm">
          {watch.data.connections.used} of {watch.data.connections.most}{" "}
          connections of the database are in use.
        </Text>
      )}
    </Section>
  );
}

function Row({ label, blue, green }: { label: string; blue: string; green: string }) {
  return (
    <Table.Tr>
      <Table.Th scope="row" fw={400}>{label}</Table.Th>
      <Table.Td ta="right">{blue}</Table.Td>
      <Table.Td ta="right">{green}</Table.Td>
    </Table.Tr>
  );
}
