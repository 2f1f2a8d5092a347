/** One campaign: how far it is, its figures, its words and its recipients. */
import { Alert, Anchor, Button, Group, Paper, Stack, Text } from "@mantine/core";
import { Link } from "wouter";
import type { Campaign } from "../../../../supabase/functions/_shared/contract/answers/campaigns.ts";
import type { Result } from "../../../../supabase/functions/_shared/contract/sql.ts";
import {
  leftOutInWords,
  leftOutOf,
  pendingOf,
  percent,
  WAITS,
} from "../../../../supabase/functions/_shared/contract/words/campaigns.ts";
import { CAMPAIGN_CHANGED, useCampaign } from "../../data/campaigns.ts";
import { rpc, useChange } from "../../data/query.ts";
import { For } from "../../session/me.tsx";
import { useNames } from "../../session/team.ts";
import { useAsk } from "../../ui/ask.tsx";
import { Page } from "../../ui/Page.tsx";
import { Section } from "../../ui/Section.tsx";
import { Loaded } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { type Limits, raisedLimits } from "./limits.ts";
import { Figures } from "./Figures.tsx";
import { Badge, progress } from "./parts.tsx";
import { Recipients } from "./Recipients.tsx";
import { SendTest } from "./SendTest.tsx";
import { Upload } from "./Upload.tsx";
import classes from "./campaigns.module.css";

type Story = Result<"read_campaign">;

export function CampaignPage({ id }: { id: string }) {
  const campaign = useCampaign(id);
  return (
    <Page
      title={campaign.data?.name ?? "Campaign"}
      back={<Anchor component={Link} href="/campaigns" size="sm">← All campaigns</Anchor>}
      actions={campaign.data && <Badge of={campaign.data} />}
    >
      <Loaded of={campaign}>
        {(story) => (
          <Stack gap="md">
            <Standing story={story} />
            {(story.state === "draft" || story.state === "stopped") && (
              <For role="operator">
                <Upload id={story.id} />
              </For>
            )}
            <Figures story={story} />
            <Words story={story} />
            <Recipients id={story.id} />
          </Stack>
        )}
      </Loaded>
    </Page>
  );
}

function Standing({ story }: { story: Story }) {
  const name = useNames();
  const out = leftOutOf(story);
  return (
    <Paper withBorder radius="md" p="md" component="section" aria-label="Status">
      <Group justify="space-between" gap="md">
        <div style={{ minWidth: 0 }}>
          <Text fw={650} size="lg">{progress(story)}</Text>
          <Text size="sm" className={classes.words}>
            From {story.from_email}, {story.per_minute.toLocaleString()} a minute at most
            {story.start_at && (
              <>
                , begins <Time at={story.start_at} />
              </>
            )}
          </Text>
          {story.flag_key && (
            <Text size="sm" className={classes.words}>
              {story.otherwise ? "Other words" : "Nothing"} without the flag{" "}
              <Anchor component={Link} href={`/flags/${story.flag_key}`} underline="always">
                {story.flag_key}
              </Anchor>
            </Text>
          )}
          {out.length > 0 && (
            <Text size="sm" className={classes.words}>
              Left out: {out.map(([why, n]) => `${n.toLocaleString()} ${leftOutInWords(why)}`).join(", ")}
            </Text>
          )}
          <Text size="xs" c="dimmed" component="div">
            Created <Time at={story.created_at} /> by {name(story.created_by)}
            {story.started_at && (
              <>
                , started <Time at={story.started_at} />
              </>
            )}
            {story.finished_at && (
              <>
                , finished <Time at={story.finished_at} />
              </>
            )}
          </Text>
        </div>
        <For role="operator">
          <Actions story={story} />
        </For>
      </Group>
      {story.waits && (
        <Alert color="yellow" variant="light" mt="sm" title="Nothing is being sent">
          {story.waits === "start_at" && story.start_at
            ? (
              <>
                It begins <Time at={story.start_at} />.
              </>
            )
            : `Because ${WAITS[story.waits]}.`}
        </Alert>
      )}
      {(story.state === "stopped" || story.state === "cancelled") && (
        <Alert
          color={story.stopped_by === "limits" ? "red" : "yellow"}
          variant="light"
          mt="sm"
          title={story.stopped_by === "limits"
            ? "Stopped by its limits"
            : `${story.state === "stopped" ? "Stopped" : "Cancelled"} by ${name(story.stopped_by ?? "")}`}
        >
          {story.stopped_because ?? "No reason was given."}
        </Alert>
      )}
    </Paper>
  );
}

function Actions({ story }: { story: Story }) {
  const ask = useAsk();
  const id = { p_id: story.id, p_expected_version: story.version };
  const pending = pendingOf(story);
  const byLimits = story.stopped_by === "limits";
  const limits = byLimits ? raisedLimits(story) : {};
  const start = useChange<undefined, Campaign>({
    act: () =>
      rpc("start_campaign", {
        ...id,
        // What went beyond its limits would stop again at once.
        p_changes: { ...limits },
      }),
    touches: CAMPAIGN_CHANGED,
    said: () => "It is being sent.",
  });
  const stop = useChange<{ reason: string | null; cancel: boolean }, Campaign>({
    act: ({ reason, cancel }) => rpc("stop_campaign", { ...id, p_reason: reason, p_cancel: cancel }),
    touches: CAMPAIGN_CHANGED,
    said: (_, { cancel }) =>
      cancel ? "It is cancelled." : "It is stopped. Mails that are already queued are still sent.",
  });
  const over = story.state === "done" || story.state === "cancelled";
  return (
    <Group gap="xs">
      <SendTest id={story.id} hasOther={story.otherwise !== null} />
      {(story.state === "draft" || story.state === "stopped") && (
        <Button
          loading={start.isPending}
          disabled={pending === 0}
          onClick={async () => {
            const answer = await ask({
              title: `Send it to ${pending.toLocaleString()} ${pending === 1 ? "recipient" : "recipients"}?`,
              body: byLimits
                ? `It stopped by itself: ${story.stopped_because}. Sending on ${
                  raisedInWords(limits)
                }, and more bounces or complaints hurt all your mail.`
                : `${story.per_minute.toLocaleString()} a minute at most. It stops by itself if too many bounce or complain.`,
              action: story.state === "draft" ? "Send" : "Resume",
              danger: byLimits,
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
            if (answer) stop.mutate({ reason: answer.reason, cancel: false });
          }}
        >
          Stop
        </Button>
      )}
      {!over && story.state !== "sending" && (
        <Button
          variant="default"
          loading={stop.isPending}
          onClick={async () => {
            const answer = await ask({
              title: "Cancel it for good?",
              body: "It cannot be started again.",
              action: "Cancel the campaign",
              danger: true,
            });
            if (answer) stop.mutate({ reason: answer.reason, cancel: true });
          }}
        >
          Cancel
        </Button>
      )}
    </Group>
  );
}

/** `to 12.0 % of bounces`, for the question. */
function raisedInWords({ bounce_limit, complaint_limit }: Limits): string {
  const to = [
    bounce_limit !== undefined && `to ${percent(bounce_limit)} of bounces`,
    complaint_limit !== undefined && `to ${percent(complaint_limit)} of complaints`,
  ].filter((part) => part !== false);
  return to.length === 0 ? "keeps its limits" : `raises its limit ${to.join(" and ")}`;
}

function Words({ story }: { story: Story }) {
  return (
    <Section title="Mail">
      <Text size="sm" fw={600} dir="auto" className={classes.words}>{story.subject}</Text>
      {story.text !== null && (
        <Text
          size="sm"
          dir="auto"
          className={classes.source}
          mt="xs"
          tabIndex={0}
          role="region"
          aria-label="Text"
        >
          {story.text}
        </Text>
      )}
      {story.html !== null && (
        <Text
          size="xs"
          ff="monospace"
          className={classes.source}
          mt="xs"
          tabIndex={0}
          role="region"
          aria-label="HTML"
        >
          {story.html}
        </Text>
      )}
    </Section>
  );
}
