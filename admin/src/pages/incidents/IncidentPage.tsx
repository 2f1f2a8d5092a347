/** One incident: the next steps, its history, and the form for an update. */
import { Alert, Anchor, Code, Group, Stack, Text } from "@mantine/core";
import { Link } from "wouter";
import { kindFacts, wayBackCommands } from "../../../../supabase/functions/_shared/contract/incidents.ts";
import type {
  IncidentStory,
  IncidentUpdate,
} from "../../../../supabase/functions/_shared/contract/answers/incidents.ts";
import { useIncident } from "../../data/incidents.ts";
import { For } from "../../session/me.tsx";
import { useNames } from "../../session/team.ts";
import { Page } from "../../ui/Page.tsx";
import { Section } from "../../ui/Section.tsx";
import { State } from "../../ui/State.tsx";
import { Loaded } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { Acknowledge, Badges } from "./parts.tsx";
import { Update } from "./Update.tsx";
import classes from "./incidents.module.css";

export function IncidentPage({ number }: { number: number }) {
  const incident = useIncident(number);
  return (
    <Page
      title={`Incident ${number}`}
      about={incident.data && <bdi>{incident.data.title}</bdi>}
      back={<Anchor component={Link} href="/incidents" size="sm">← All incidents</Anchor>}
      actions={incident.data && <Acknowledge incident={incident.data} />}
    >
      <Loaded of={incident}>
        {(story) => (
          <Stack gap="md">
            <Badges incident={story} />
            <Facts story={story} />
            {story.status !== "resolved" && <WayBack story={story} />}
            <For role="operator">
              <Update key={story.version} story={story} />
            </For>
            <History updates={story.updates} />
          </Stack>
        )}
      </Loaded>
    </Page>
  );
}

function Facts({ story }: { story: IncidentStory }) {
  const name = useNames();
  return (
    <Text component="div" size="sm" className={classes.words}>
      {kindFacts(story.kind).issue}
      {story.flag_key && (
        <>
          , feature{" "}
          <Anchor component={Link} href={`/flags/${story.flag_key}`} underline="always">
            {story.flag_key}
          </Anchor>{" "}
          (<Anchor
            component={Link}
            href={`/announcements/new?to=affected&flag=${encodeURIComponent(story.flag_key)}`}
            underline="always"
          >
            notify affected people
          </Anchor>)
        </>
      )}
      {story.component && `, component ${story.component}`}. Opened <Time at={story.opened_at} /> by{" "}
      {name(story.opened_by)}.{" "}
      {story.acknowledged_at === null ? story.status !== "resolved" && "Nobody has acknowledged it." : (
        <>
          Acknowledged <Time at={story.acknowledged_at} /> by {name(story.acknowledged_by ?? "")}.
        </>
      )}
      {story.rollout && (
        <>
          {" "}
          <Anchor component={Link} href={`/rollouts/${story.rollout.id}`} underline="always">
            Its rollout was rolled back.
          </Anchor>
        </>
      )}
      {story.rollback && ` Rollback ${story.rollback.level} was run (${story.rollback.target}).`}
    </Text>
  );
}

function WayBack({ story }: { story: IncidentStory }) {
  const facts = kindFacts(story.kind);
  const commands = wayBackCommands(story);
  return (
    <Alert
      color={commands.length > 0 ? "red" : "blue"}
      variant="light"
      title={`What to do within ${facts.within === "next day" ? "the next day" : facts.within}`}
    >
      {commands.length === 0
        ? facts.instead
        : commands.map((command) => <Code key={command} className={classes.command}>{command}</Code>)}
    </Alert>
  );
}

function History({ updates }: { updates: IncidentUpdate[] }) {
  const name = useNames();
  return (
    <Section title="History" flush>
      <ul className={classes.list}>
        {[...updates].reverse().map((update) => (
          <li key={update.id}>
            <Group justify="space-between" gap="xs">
              <Text size="sm" fw={600}>
                {[...new Set([update.kind.replaceAll("_", " "), update.status])].join(", ")}
              </Text>
              {update.public && <State tone="info">public</State>}
            </Group>
            <Text size="sm" dir="auto" className={classes.words} style={{ whiteSpace: "pre-line" }}>
              {update.text ?? said(update)}
            </Text>
            <Text size="xs" c="dimmed" component="div">
              <Time at={update.at} /> by {name(update.actor)}
            </Text>
          </li>
        ))}
      </ul>
    </Section>
  );
}

function said({ kind, changes }: IncidentUpdate): string {
  if (kind === "published") return "The default text.";
  if (typeof changes.role === "string") return `Notified: ${changes.role}`;
  return Object.entries(changes).map(([field, change]) => {
    const { from, to } = change as { from?: unknown; to?: unknown };
    return to === undefined ? "" : `${field.replaceAll("_", " ")}: ${from ?? "none"} → ${to ?? "none"}`;
  }).filter((part) => part !== "").join(", ");
}
