/** Open incidents, at the top of the page. The person on call acknowledges one with one click. */
import { Anchor, Group, Paper, Stack, Text } from "@mantine/core";
import { Link } from "wouter";
import type { OpenIncident } from "../../../../supabase/functions/_shared/contract/answers/incidents.ts";
import { Time } from "../../ui/Time.tsx";
import { Acknowledge, Badges } from "../incidents/parts.tsx";
import classes from "./overview.module.css";

export function Incidents({ incidents }: { incidents: OpenIncident[] }) {
  if (incidents.length === 0) return null;
  return (
    <Stack component="section" gap="xs" aria-label="Open incidents">
      {incidents.map((incident) => (
        <Paper
          key={incident.number}
          withBorder
          radius="md"
          p="md"
          className={classes.verdict}
          data-state={incident.severity === "P2" ? "degraded" : "down"}
        >
          <Group justify="space-between" gap="sm">
            <div style={{ minWidth: 0 }}>
              <Anchor
                component={Link}
                href={`/incidents/${incident.number}`}
                fw={600}
                underline="always"
                style={{ overflowWrap: "anywhere" }}
              >
                #{incident.number} {incident.title}
              </Anchor>
              <Text size="sm" c="dimmed" component="div">
                <Time at={incident.opened_at} />
                {incident.acknowledged_at === null ? ", not acknowledged" : ", acknowledged"}
              </Text>
            </div>
            <Group gap="xs">
              <Badges incident={incident} />
              <Acknowledge incident={incident} />
            </Group>
          </Group>
        </Paper>
      ))}
    </Stack>
  );
}
