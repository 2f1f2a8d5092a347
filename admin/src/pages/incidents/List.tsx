/** All incidents: open ones first, the most severe on top. */
import { Anchor, Button, Group, Paper, Text } from "@mantine/core";
import { Link } from "wouter";
import type { Incident } from "../../../../supabase/functions/_shared/contract/answers/incidents.ts";
import { useIncidents } from "../../data/incidents.ts";
import { For } from "../../session/me.tsx";
import { Icon } from "../../ui/icons.tsx";
import { Page } from "../../ui/Page.tsx";
import { Section } from "../../ui/Section.tsx";
import { Empty, Loaded } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { Acknowledge, Badges } from "./parts.tsx";
import classes from "./incidents.module.css";

export function IncidentList() {
  const incidents = useIncidents();
  return (
    <Page
      title="Incidents"
      about="Current and past incidents, who has acknowledged them, and what the public reads."
      actions={
        <For role="operator">
          <Button
            component={Link}
            href="/incidents/new"
            color="red"
            leftSection={<Icon name="plus" size={16} />}
          >
            Open an incident
          </Button>
        </For>
      }
    >
      <Loaded of={incidents} empty={<Empty icon="check" title="No incidents yet" />}>
        {(all) => {
          const open = all.filter(({ status }) => status !== "resolved");
          const past = all.filter(({ status }) => status === "resolved");
          return (
            <>
              <Section title="Open" flush>
                {open.length === 0 ? <Empty icon="check" title="No open incidents" /> : <Rows of={open} />}
              </Section>
              {past.length > 0 && (
                <Section title="Resolved" flush>
                  <Rows of={past} />
                </Section>
              )}
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}

function Rows({ of }: { of: Incident[] }) {
  return (
    <Paper component="ul" className={classes.list}>
      {of.map((incident) => (
        <li key={incident.number}>
          <Group justify="space-between" align="flex-start" gap="sm">
            <div style={{ minWidth: 0 }}>
              <Anchor
                component={Link}
                href={`/incidents/${incident.number}`}
                fw={600}
                className={classes.words}
              >
                #{incident.number} <bdi>{incident.title}</bdi>
              </Anchor>
              <Text size="sm" c="dimmed" component="div" className={classes.words}>
                {incident.flag_key ?? incident.component ?? incident.kind}, <Time at={incident.opened_at} />
                {incident.acknowledged_at === null && incident.status !== "resolved" && ", not acknowledged"}
              </Text>
            </div>
            <Group gap="xs">
              <Badges incident={incident} />
              <Acknowledge incident={incident} />
            </Group>
          </Group>
        </li>
      ))}
    </Paper>
  );
}
