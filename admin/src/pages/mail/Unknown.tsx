/**
 * Messages and forwards of which nobody knows whether they went: the provider's answer was lost. Nothing is sent twice
 * by itself, so a person decides.
 */
import { Button, Group, Paper, Stack, Text } from "@mantine/core";
import type { UnknownMessage } from "../../../../supabase/functions/_shared/contract/answers/mail.ts";
import type { Pages } from "../../data/pages.ts";
import { rpc, useChange } from "../../data/query.ts";
import { For } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { navigate } from "../../ui/location.ts";
import { State } from "../../ui/State.tsx";
import { Empty, LoadedPages } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { VirtualList } from "../../ui/VirtualList.tsx";
import { ChannelFace } from "./ChannelFace.tsx";

type How = "sent" | "resend" | "drop";

const QUESTIONS: Record<How, { title: string; body: string; action: string; danger?: boolean }> = {
  sent: {
    title: "Mark as sent?",
    body: "Do this if the recipient has it, or the provider's own log shows it.",
    action: "Mark as sent",
  },
  resend: {
    title: "Send it again?",
    body: "If it did go the first time, the recipient gets it twice.",
    action: "Send again",
  },
  drop: {
    title: "Drop this mail?",
    body: "It is recorded as failed, and is not sent again.",
    action: "Drop",
    danger: true,
  },
};
const SAID: Record<How, string> = { sent: "Recorded as sent.", resend: "Queued again.", drop: "Dropped." };

export function Unknown({ of }: { of: Pages<UnknownMessage> }) {
  return (
    <LoadedPages
      of={of}
      empty={
        <Empty icon="mail" title="No unknown outcomes">
          When a provider's answer is lost, the message waits here until the provider reports what became of
          it, or you decide.
        </Empty>
      }
    >
      {(all) => (
        <Stack>
          <Text size="sm" c="dimmed">
            The provider's answer was lost. Providers usually report what happened within minutes. After 15
            minutes without a report, a person decides.
          </Text>
          <VirtualList
            label="Unknown messages"
            items={all}
            idOf={({ id }) => id}
            height={90}
            gap={16}
            hasMore={of.hasMore}
            reading={of.reading}
            more={of.more}
          >
            {(one) => <Item of={one} />}
          </VirtualList>
        </Stack>
      )}
    </LoadedPages>
  );
}

function Item({ of: { id, what, channel, sender, since, overdue } }: { of: UnknownMessage }) {
  const ask = useAsk();
  const resolve = useChange({
    act: ({ how, reason }: { how: How; reason: string | null }) =>
      rpc("resolve_unknown", { p_id: id, p_how: how, p_reason: reason }),
    touches: ["list_unknown", "email_overview", "status", "list_dead_letters"],
    said: (_, { how }) => SAID[how],
  });
  const decide = (how: How) => async () => {
    const answer = await ask({ ...QUESTIONS[how], reason: "required" });
    if (answer) resolve.mutate({ how, reason: answer.reason });
  };
  return (
    <Paper withBorder p="md" component="article" aria-label={`${what} as ${sender}`}>
      <Group justify="space-between" gap="sm">
        <div style={{ minWidth: 0 }}>
          <Group gap={6}>
            <ChannelFace channel={channel} />
            <Text fw={600}>{what === "forward" ? "Forward of an answer" : "Message"}</Text>
            <State tone={overdue ? "warn" : "info"}>{overdue ? "decide" : "waiting for a report"}</State>
          </Group>
          <Text size="sm" c="dimmed" component="div" style={{ overflowWrap: "anywhere" }}>
            {what === "forward" ? "For" : "As"} {sender}, <Time at={since} />
          </Text>
        </div>
        <Group gap="xs">
          {what === "message" && (
            <Button
              size="xs"
              variant="subtle"
              onClick={() => navigate(`/messages?message=${id}`)}
            >
              View
            </Button>
          )}
          <For role="operator">
            <Button size="xs" variant="default" disabled={resolve.isPending} onClick={decide("sent")}>
              Mark as sent
            </Button>
            <Button size="xs" variant="default" disabled={resolve.isPending} onClick={decide("resend")}>
              Send again
            </Button>
            <Button size="xs" variant="default" disabled={resolve.isPending} onClick={decide("drop")}>
              Drop
            </Button>
          </For>
        </Group>
      </Group>
    </Paper>
  );
}
