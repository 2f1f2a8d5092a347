/** Key figures: the queues, the dead letters, which are lost unless somebody acts, and the error rate. */
import { Anchor, Paper, SimpleGrid, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "wouter";
import { duration } from "../../ui/times.ts";
import type { Overview } from "../../../../supabase/functions/_shared/contract/answers/operations.ts";
import classes from "./overview.module.css";

const WAITS = {
  unrouted: "Waiting for a route",
  deliveries: "Waiting for services",
  outbound: "Waiting to be sent",
} as const;

export function Numbers({ data }: { data: Overview }) {
  const requests = data.functions.reduce((sum, { requests }) => sum + requests, 0);
  const errors = data.functions.reduce((sum, { errors }) => sum + errors, 0);
  return (
    <SimpleGrid cols={{ base: 2, sm: 3, lg: 5 }} spacing="md" className={classes.numbers}>
      {Object.entries(WAITS).map(([name, label]) => {
        const { n, oldest_seconds } = data.queue[name as keyof typeof WAITS];
        const held = name === "unrouted" ? data.queue.unrouted.held : 0;
        const about = [
          ...(oldest_seconds != null ? [`oldest ${duration(oldest_seconds)}`] : ["nothing waiting"]),
          ...(held ? [`${held} held by a flag`] : []),
        ];
        return (
          <Number
            key={name}
            label={label}
            value={n.toLocaleString()}
            alarm={(oldest_seconds ?? 0) > 300}
            about={about.join(", ")}
          />
        );
      })}
      <Number
        label="Dead letters"
        value={data.dead_letters.toLocaleString()}
        alarm={data.dead_letters > 0}
        about={data.dead_letters > 0 ? <To path="/deliveries">Retry or drop</To> : "none"}
      />
      <Number
        label="Errors"
        value={requests === 0 ? "–" : `${(100 * errors / requests).toFixed(errors === 0 ? 0 : 2)} %`}
        alarm={errors > 0.01 * requests}
        about={`${errors.toLocaleString()} of ${requests.toLocaleString()} requests`}
      />
    </SimpleGrid>
  );
}

function To({ path, children }: { path: string; children: string }) {
  return <Anchor component={Link} href={path} size="xs">{children}</Anchor>;
}

function Number(
  { label, value, about, alarm }: { label: string; value: string; about: ReactNode; alarm: boolean },
) {
  return (
    <Paper withBorder radius="md" p="md">
      <Text size="xs" c="dimmed">{label}</Text>
      <Text
        size="xl"
        fw={700}
        lh={1.3}
        className={classes.number}
        c={alarm ? "var(--bad)" : undefined}
        data-alarm={alarm || undefined}
      >
        {value}
      </Text>
      <Text size="xs" c="dimmed" component="div">{about}</Text>
    </Paper>
  );
}
