/** All incidents: open ones first, the most severe on top. */
import { Anchor, Button, Group, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "wouter";
import type { Incident } from "../../../../supabase/functions/_shared/contract/answers/incidents.ts";
import { incidentPages } from "../../data/incidents.ts";
import { type Pages, useLivePages } from "../../data/pages.ts";
import { For } from "../../session/me.tsx";
import { Icon } from "../../ui/icons.tsx";
import { ListTools } from "../../session/ListTools.tsx";
import { useParameter } from "../../ui/location.ts";
import { Page } from "../../ui/Page.tsx";
import { Section } from "../../ui/Section.tsx";
import { SearchField } from "../../ui/SearchField.tsx";
import { Empty, LoadedPages } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { VirtualList } from "../../ui/VirtualList.tsx";
import { Acknowledge, Badges } from "./parts.tsx";
import classes from "./incidents.module.css";

export function IncidentList() {
  const [search, setSearch] = useParameter("q");
  const open = useLivePages(incidentPages(true, search));
  const resolved = incidentPages(false, search);
  const past = useLivePages(resolved);
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
      <ListTools name="incidents" source={[incidentPages(true, search), resolved]}>
        <SearchField label="Search incidents" value={search} onChange={setSearch} />
      </ListTools>
      <Section title="Open" flush>
        <Rows
          label="Open incidents"
          of={open}
          empty={<Empty icon="check" title={search ? "No open incidents match" : "No open incidents"} />}
        />
      </Section>
      <Section title="Resolved" flush>
        <Rows
          label="Resolved incidents"
          of={past}
          empty={<Empty icon="check" title={search ? "No resolved incidents match" : "None yet"} />}
        />
      </Section>
    </Page>
  );
}

function Rows({ label, of, empty }: { label: string; of: Pages<Incident>; empty: ReactNode }) {
  return (
    <LoadedPages of={of} empty={empty}>
      {(items) => (
        <VirtualList
          label={label}
          items={items}
          idOf={({ number }) => String(number)}
          height={70}
          className={classes.list}
          hasMore={of.hasMore}
          reading={of.reading}
          more={of.more}
        >
          {(incident) => (
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
                  {incident.acknowledged_at === null && incident.status !== "resolved" &&
                    ", not acknowledged"}
                </Text>
              </div>
              <Group gap="xs">
                <Badges incident={incident} />
                <Acknowledge incident={incident} />
              </Group>
            </Group>
          )}
        </VirtualList>
      )}
    </LoadedPages>
  );
}
