/**
 * The story of one message: where it came from, which route matched and why, and what happened to each
 * delivery.
 */
import { Code, Drawer, Stack, Table, Text, Timeline, VisuallyHidden } from "@mantine/core";
import type { ReactNode } from "react";
import { typeInWords } from "../../../../supabase/functions/_shared/contract/words/messages.ts";
import { routingReasonInWords } from "../../../../supabase/functions/_shared/contract/words/routing.ts";
import { useRpc } from "../../data/query.ts";
import { useNames } from "../../session/team.ts";
import { useMay } from "../../session/me.tsx";
import { redacted } from "../../ui/Contact.tsx";
import { Icon } from "../../ui/icons.tsx";
import { State, type Tone } from "../../ui/State.tsx";
import { Empty, Failed, Loading } from "../../ui/states.tsx";
import { InZone, Time } from "../../ui/Time.tsx";
import { MailStory } from "../mail/MailStory.tsx";
import { DeliveryStory } from "./DeliveryStory.tsx";
import { Resend } from "./Resend.tsx";
import { RevealMessage } from "./RevealMessage.tsx";
import { StoryPart } from "./StoryPart.tsx";
import type { Story } from "../../../../supabase/functions/_shared/contract/answers/messages.ts";
import { errorWords, withWhom } from "./words.ts";
import classes from "./messages.module.css";

export function StoryDrawer({ id, close }: { id: string; close: () => void }) {
  return (
    <Drawer
      opened={id !== ""}
      onClose={close}
      position="right"
      size="lg"
      title="Message history"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {id !== "" && <Told key={id} id={id} />}
    </Drawer>
  );
}

function Told({ id }: { id: string }) {
  const story = useRpc("message_story", { p_message_id: id }, { every: 3_000 });
  if (story.data === undefined || story.isPlaceholderData) {
    return story.isError ? <Failed error={story.error} retry={story.refetch} /> : <Loading rows={5} />;
  }
  if (story.data === null) {
    return <Empty icon="chat" title="Message not found">It may have been deleted.</Empty>;
  }
  const told = story.data;
  return (
    <Stack gap="lg">
      <Facts of={told} />
      {told.mail && <MailStory id={told.id} mail={told.mail} direction={told.direction} />}
      {told.direction === "out" ? <Outbound of={told} /> : <Routing of={told} />}
      {told.deliveries.map((delivery) => (
        <DeliveryStory
          key={delivery.id}
          delivery={delivery}
          attempts={told.attempts.filter(({ delivery_id }) => delivery_id === delivery.id)}
        />
      ))}
    </Stack>
  );
}

function Facts({ of }: { of: Story }) {
  const nameOf = useNames();
  const words = useMay("operator");
  const facts: [string, ReactNode][] = [
    ["Type", typeInWords(of.type)],
    [
      of.direction === "in" ? "From" : "To",
      `${redacted(of.conversation.contact.last_four ?? "????")}, ${withWhom(of.conversation)}`,
    ],
    ["Stored", <Time key="stored" at={of.created_at} as="date" />],
    ...(of.written_by ? [["Written by", nameOf(of.written_by)] as [string, ReactNode]] : []),
    ...(of.mail?.subject ? [["Subject", of.mail.subject] as [string, ReactNode]] : []),
    ...(of.choice ? [["Choice", of.choice] as [string, ReactNode]] : []),
    ...(of.attribution
      ? [[
        "Came from",
        <span key="from">
          {of.attribution.code
            ? <a href={`#/links/at/${of.attribution.code}`}>link {of.attribution.code}</a>
            : "an ad"}
          {` (${of.attribution.confidence}, ${of.attribution.reason})`}
        </span>,
      ] as [string, ReactNode]]
      : []),
    ["Gatelink id", <Code key="id">{of.id}</Code>],
    ...(words
      ? [["Provider id", <RevealMessage key="provider" message={of.id} />] as [string, ReactNode]]
      : []),
  ];
  return (
    <Stack gap="sm">
      {of.text
        ? <Text dir="auto" className={classes.words} style={{ overflowWrap: "anywhere" }}>{of.text}</Text>
        : !words && <Text c="dimmed" fs="italic">Only operators can see the text.</Text>}
      <Table variant="vertical" layout="fixed" withTableBorder>
        <Table.Tbody>
          {facts.map(([name, value]) => (
            <Table.Tr key={name}>
              <Table.Th w={120}>{name}</Table.Th>
              <Table.Td style={{ overflowWrap: "anywhere" }}>{value}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Stack>
  );
}

function Routing({ of }: { of: Story }) {
  const { decision } = of;
  if (of.imported) {
    return (
      <StoryPart title="Route">
        <Text size="sm">
          The message was written in the WhatsApp Business app before the number was connected, and was
          imported. It is routed to nobody.
        </Text>
      </StoryPart>
    );
  }
  if (decision === null) {
    return (
      <StoryPart title="Route">
        <Text size="sm">
          The message has not been routed yet. That takes seconds, unless the channel's flag is off for this
          contact. In that case the message waits and is not lost.
        </Text>
      </StoryPart>
    );
  }
  return (
    <StoryPart title="Route">
      <Text size="sm" mb="xs">
        <strong>{decision.name ?? "None"}</strong>: {routingReasonInWords(decision.reason)}.{" "}
        <Text span c="dimmed">
          Routed <Time at={decision.decided_at} />
        </Text>
      </Text>
      {decision.explanation.length > 0 && (
        <Table withTableBorder aria-label="Routes in their order of evaluation">
          <Table.Tbody>
            {decision.explanation.map(({ name, matched, why }, index) => (
              <Table.Tr key={index}>
                <Table.Td w={36}>
                  <Text c={matched ? "green" : "dimmed"} component="span">
                    <Icon name={matched ? "check" : "cross"} size={16} />
                  </Text>
                </Table.Td>
                <Table.Td style={{ overflowWrap: "anywhere" }}>
                  <Text size="sm" fw={matched ? 600 : 400}>
                    {name}
                    <VisuallyHidden>{matched ? " matched" : " did not match"}</VisuallyHidden>
                  </Text>
                  <Text size="xs" c="dimmed">
                    <InZone text={why} />
                  </Text>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </StoryPart>
  );
}

/** Tones of statuses that are not good. */
const TONES: Record<string, Tone> = { failed: "bad", unknown: "warn" };
const RANKS = ["queued", "sent", "delivered", "read", "played", "failed", "deleted"];

function Outbound({ of }: { of: Story }) {
  const mayResend = useMay("operator") && of.status === "failed";
  const reached = Object.entries(of.status_at).sort(([, a], [, b]) => a < b ? -1 : 1);
  const error = errorWords(of.error) ?? errorWords(of.outbound?.error);
  return (
    <StoryPart
      title="Sending"
      aside={<State tone={TONES[of.status] ?? "good"}>{of.status}</State>}
    >
      {error && <Text size="sm" c="red" mb="xs">{error}</Text>}
      {mayResend && <Resend message={of.id} />}
      {of.outbound?.used_fallback && (
        <Text size="sm" mb="xs">The 24-hour window was closed, so the fallback template was sent.</Text>
      )}
      {of.outbound?.first_try && (
        <Text size="sm" mb="xs">
          Not delivered <Time at={of.outbound.first_try.at} /> (error{" "}
          {of.outbound.first_try.code}), so it is sent a second time.
        </Text>
      )}
      {of.outbound?.next_attempt_at && of.outbound.attempt > 0 && (
        <Text size="sm" mb="xs">
          Attempt {of.outbound.attempt + 1} is due <Time at={of.outbound.next_attempt_at} />.
        </Text>
      )}
      <Timeline bulletSize={14} lineWidth={2} active={reached.length}>
        <Timeline.Item title="queued">
          <Text size="xs" c="dimmed" component="div">
            <Time at={of.created_at} />
          </Text>
        </Timeline.Item>
        {reached.filter(([status]) => RANKS.includes(status)).map(([status, at]) => (
          <Timeline.Item key={status} title={status} color={status === "failed" ? "red" : undefined}>
            <Text size="xs" c="dimmed" component="div">
              <Time at={at} />
            </Text>
          </Timeline.Item>
        ))}
      </Timeline>
    </StoryPart>
  );
}
