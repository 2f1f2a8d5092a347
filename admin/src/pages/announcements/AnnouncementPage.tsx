/** One announcement: who would get what, how far it is, and who got it. */
import { Alert, Anchor, Button, Group, Paper, Stack, Text } from "@mantine/core";
import { Link } from "wouter";
import type { Announcement } from "../../../../supabase/functions/_shared/contract/answers/announcements.ts";
import type { Result } from "../../../../supabase/functions/_shared/contract/sql.ts";
import {
  audienceInWords,
  figuresInWords,
} from "../../../../supabase/functions/_shared/contract/words/announcements.ts";
import { ANNOUNCEMENT_CHANGED, recipientPages, useAnnouncement } from "../../data/announcements.ts";
import { useLivePages } from "../../data/pages.ts";
import { rpc, useChange } from "../../data/query.ts";
import { For } from "../../session/me.tsx";
import { useNames } from "../../session/team.ts";
import { useAsk } from "../../ui/ask.tsx";
import { Contact } from "../../ui/Contact.tsx";
import { navigate } from "../../ui/location.ts";
import { Page } from "../../ui/Page.tsx";
import { Section } from "../../ui/Section.tsx";
import { Empty, Loaded, LoadedPages } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { VirtualList } from "../../ui/VirtualList.tsx";
import { Badge, progress } from "./parts.tsx";
import classes from "./announcements.module.css";

type Story = Result<"read_announcement">;

export function AnnouncementPage({ id }: { id: string }) {
  const announcement = useAnnouncement(id);
  return (
    <Page
      title={announcement.data?.name ?? "Announcement"}
      back={<Anchor component={Link} href="/announcements" size="sm">← All announcements</Anchor>}
      actions={announcement.data && <Badge of={announcement.data} />}
    >
      <Loaded of={announcement}>
        {(story) => (
          <Stack gap="md">
            <Standing story={story} />
            <Words story={story} />
            <Recipients story={story} />
          </Stack>
        )}
      </Loaded>
    </Page>
  );
}

function Standing({ story }: { story: Story }) {
  const name = useNames();
  return (
    <Paper withBorder radius="md" p="md" component="section" aria-label="Status">
      <Group justify="space-between" gap="md">
        <div style={{ minWidth: 0 }}>
          <Text fw={650} size="lg">{progress(story)}</Text>
          <Text size="sm" className={classes.words}>{forWhom(audienceInWords(story.audience))}</Text>
          {story.would && (
            <Text size="sm" className={classes.words}>
              {story.state === "draft" ? "Would get" : "Still to come"}: {figuresInWords(story.would)}.
            </Text>
          )}
          {Object.keys(story.left_out).length > 0 && (
            <Text size="sm" className={classes.words}>Left out: {figuresInWords(story.left_out)}.</Text>
          )}
          {story.queued > 0 && (
            <Text size="sm" className={classes.words}>Messages: {figuresInWords(story.statuses)}.</Text>
          )}
          <Text size="xs" c="dimmed" component="div">
            Created <Time at={story.created_at} /> by {name(story.created_by)}
            {story.started_at && (
              <>
                , started <Time at={story.started_at} /> by {name(story.started_by ?? "")}
              </>
            )}
          </Text>
        </div>
        <For role="operator">
          <Actions story={story} />
        </For>
      </Group>
      {story.unreachable > 0 && (
        <Alert color="yellow" variant="light" mt="sm">
          {story.unreachable} more of them are known only by an id of another system and cannot be written to.
        </Alert>
      )}
      {Object.keys(story.waits).length > 0 && (
        <Alert color="yellow" variant="light" mt="sm">Waiting: {figuresInWords(story.waits)}.</Alert>
      )}
      {story.stopped_because && story.state === "stopped" && (
        <Alert color="yellow" variant="light" mt="sm" title="Stopped">{story.stopped_because}</Alert>
      )}
    </Paper>
  );
}

function Actions({ story }: { story: Story }) {
  const ask = useAsk();
  const id = { p_id: story.id, p_expected_version: story.version };
  const start = useChange<undefined, Announcement>({
    act: () => rpc("start_announcement", id),
    touches: ANNOUNCEMENT_CHANGED,
    said: () => "It is being sent.",
  });
  const stop = useChange<string | null, Announcement>({
    act: (reason) => rpc("stop_announcement", { ...id, p_reason: reason }),
    touches: ANNOUNCEMENT_CHANGED,
    said: () => "It is stopped. Messages that are already queued are still sent.",
  });
  const discard = useChange<undefined, boolean>({
    act: () => rpc("delete_announcement", id),
    touches: ANNOUNCEMENT_CHANGED,
    said: () => "The draft is deleted.",
  });
  return (
    <Group gap="xs">
      {(story.state === "draft" || story.state === "stopped") && (
        <Button
          loading={start.isPending}
          disabled={story.pending === 0}
          onClick={async () => {
            const answer = await ask({
              title: `Send it to ${story.pending} people?`,
              body: `They would get: ${
                figuresInWords(story.would ?? {})
              }. ${story.per_minute} a minute at most.`,
              action: "Send",
              reason: "none",
            });
            if (answer) start.mutate(undefined);
          }}
        >
          {story.state === "draft" ? "Send" : "Resume"}
        </Button>
      )}
      {story.state === "sending" && (
        <Button
          color="red"
          variant="light"
          loading={stop.isPending}
          onClick={async () => {
            const answer = await ask({ title: "Stop sending?", action: "Stop", danger: true });
            if (answer) stop.mutate(answer.reason);
          }}
        >
          Stop
        </Button>
      )}
      {story.state === "draft" && (
        <Button
          variant="default"
          loading={discard.isPending}
          onClick={() => discard.mutate(undefined, { onSuccess: () => navigate("/announcements") })}
        >
          Delete draft
        </Button>
      )}
    </Group>
  );
}

function Words({ story }: { story: Story }) {
  const template = story.template?.template as { name?: string; language?: { code?: string } } | undefined;
  return (
    <Section title="Message">
      {story.text !== null && <Text size="sm" dir="auto" className={classes.words}>{story.text}</Text>}
      <Text size="sm" c="dimmed">
        {template
          ? `Template ${template.name} (${template.language?.code}) for everybody who has not written within 24 hours.`
          : "No template: whoever has not written within 24 hours gets nothing."}
      </Text>
    </Section>
  );
}

const STATES = { pending: "waiting", queued: "queued", left_out: "left out" } as const;

function Recipients({ story }: { story: Story }) {
  const source = recipientPages(story.id);
  const people = useLivePages(source);
  return (
    <Section title="People" flush>
      <LoadedPages of={people} empty={<Empty icon="people" title="Nobody" />}>
        {(items) => (
          <VirtualList
            label="People"
            items={items}
            idOf={({ contact_id }) => contact_id}
            height={44}
            className={classes.list}
            hasMore={people.hasMore}
            reading={people.reading}
            more={people.more}
          >
            {(one) => (
              <Group justify="space-between" gap="sm">
                <Contact id={one.last_four ?? one.contact_id} />
                <Text size="sm" component="div">
                  {one.status ?? STATES[one.state]}
                  {one.why && `: ${one.why.replaceAll("_", " ")}`}
                  {one.at && (
                    <>
                      , <Time at={one.at} />
                    </>
                  )}
                </Text>
              </Group>
            )}
          </VirtualList>
        )}
      </LoadedPages>
    </Section>
  );
}

/** "For people who wrote within 30 days." The words begin with who they are, or with the name of a group. */
function forWhom(audience: string): string {
  const isRelative = audience.startsWith("who ") || audience.startsWith("for whom ");
  return `For ${isRelative ? "people " : ""}${audience}.`;
}
