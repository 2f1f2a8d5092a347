/** The story of one message: where it came from, which route took it and why, how each delivery went. */
import {
  Badge,
  Button,
  Code,
  Drawer,
  Group,
  Stack,
  Table,
  Text,
  Timeline,
  Title,
  VisuallyHidden,
} from "@mantine/core";
import type { ReactNode } from "react";
import { rpc, useChange, useRpc } from "../../data/query.ts";
import { useNames } from "../../data/team.ts";
import { For, useMay } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { Icon } from "../../ui/icons.tsx";
import { Empty, Failed, Loading } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import type { Attempt, Delivery, Story } from "./types.ts";
import { droppedWords, errorWords, REASONS, stateOf, typeWords } from "./words.ts";
import classes from "./messages.module.css";

export function StoryDrawer({ id, close }: { id: string; close: () => void }) {
  return (
    <Drawer
      opened={id !== ""}
      onClose={close}
      position="right"
      size="lg"
      title="How this message went"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {id !== "" && <Told key={id} id={id} />}
    </Drawer>
  );
}

function Told({ id }: { id: string }) {
  const story = useRpc<Story | null>("message_story", { p_message_id: id }, { every: 3_000 });
  if (story.data === undefined || story.isPlaceholderData) {
    return story.isError ? <Failed error={story.error} retry={story.refetch} /> : <Loading rows={5} />;
  }
  if (story.data === null) {
    return <Empty icon="chat" title="There is no such message">It may have been deleted.</Empty>;
  }
  const told = story.data;
  return (
    <Stack gap="lg">
      <Facts of={told} />
      {told.direction === "out" ? <Outbound of={told} /> : <Routing of={told} />}
      {told.deliveries.map((delivery) => (
        <Delivered
          key={delivery.id}
          delivery={delivery}
          attempts={told.attempts.filter(({ delivery_id }) => delivery_id === delivery.id)}
        />
      ))}
    </Stack>
  );
}

function Section({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  return (
    <section>
      <Group justify="space-between" mb="xs" gap="xs">
        <Title order={3} size="h5">{title}</Title>
        {aside}
      </Group>
      {children}
    </section>
  );
}

function Facts({ of }: { of: Story }) {
  const nameOf = useNames();
  const words = useMay("operator");
  const facts: [string, ReactNode][] = [
    ["Type", typeWords(of.type)],
    [
      of.direction === "in" ? "From" : "To",
      `···· ${of.conversation.contact.last_four ?? "????"}, with ${
        of.conversation.number ?? of.conversation.number_id
      }`,
    ],
    ["Stored", <Time key="stored" at={of.created_at} as="date" />],
    ...(of.written_by ? [["Written by", nameOf(of.written_by)] as [string, ReactNode]] : []),
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
    ["Our id", <Code key="id">{of.id}</Code>],
    ...(of.provider_id
      ? [["WhatsApp's id", <Code key="wamid">{of.provider_id}</Code>] as [string, ReactNode]]
      : []),
  ];
  return (
    <Stack gap="sm">
      {of.text
        ? <Text className={classes.words} style={{ overflowWrap: "anywhere" }}>{of.text}</Text>
        : !words && <Text c="dimmed" fs="italic">What it says is shown to operators.</Text>}
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
  if (decision === null) {
    return (
      <Section title="Route">
        <Text size="sm">
          The router has not decided yet. It does so within seconds, unless the flag wa_router.enabled is off
          for this contact: then the message waits, and nothing is lost.
        </Text>
      </Section>
    );
  }
  return (
    <Section title="Route">
      <Text size="sm" mb="xs">
        <strong>{decision.name ?? "None"}</strong>: {REASONS[decision.reason] ?? decision.reason}.{" "}
        <Text span c="dimmed">
          Decided <Time at={decision.decided_at} />
        </Text>
      </Text>
      {decision.explanation.length > 0 && (
        <Table withTableBorder aria-label="The routes in the order in which they were asked">
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
                    <VisuallyHidden>{matched ? " took it" : " did not take it"}</VisuallyHidden>
                  </Text>
                  <Text size="xs" c="dimmed">{why}</Text>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      )}
    </Section>
  );
}

const RANKS = ["queued", "sent", "delivered", "read", "played", "failed", "deleted"];

function Outbound({ of }: { of: Story }) {
  const reached = Object.entries(of.status_at).sort(([, a], [, b]) => a < b ? -1 : 1);
  const error = errorWords(of.error) ?? errorWords(of.outbound?.error);
  return (
    <Section
      title="Sending"
      aside={<Badge variant="light" color={of.status === "failed" ? "red" : "teal"}>{of.status}</Badge>}
    >
      {error && <Text size="sm" c="red" mb="xs">{error}</Text>}
      {of.outbound?.used_fallback && (
        <Text size="sm" mb="xs">The window was closed: the template that stands in for it was sent.</Text>
      )}
      {of.outbound?.next_attempt_at && of.outbound.attempt > 0 && (
        <Text size="sm" mb="xs">
          Attempt {of.outbound.attempt + 1} goes out <Time at={of.outbound.next_attempt_at} />.
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
    </Section>
  );
}

function Delivered({ delivery, attempts }: { delivery: Delivery; attempts: Attempt[] }) {
  const ask = useAsk();
  const nameOf = useNames();
  const touches = [
    "message_story",
    "conversation_messages",
    "list_dead_letters",
    "destination_health",
    "status",
  ];
  const retry = useChange({
    act: () => rpc<number>("retry_deliveries", { p_ids: [delivery.id] }),
    touches,
    said: () => "It is tried again now.",
  });
  const drop = useChange({
    act: (reason: string) => rpc<number>("drop_deliveries", { p_ids: [delivery.id], p_reason: reason }),
    touches,
    said: () => "Dropped.",
  });
  const [color, word] = stateOf(delivery);
  return (
    <Section
      title={`To ${delivery.destination}`}
      aside={<Badge color={color} variant="light" tt="none">{word}</Badge>}
    >
      {delivery.dropped_reason && (
        <Text size="sm" mb="xs">{droppedWords(delivery.dropped_reason, nameOf)}</Text>
      )}
      {delivery.next_attempt_at && (
        <Text size="sm" mb="xs">
          Next attempt:{" "}
          <Time at={delivery.next_attempt_at} />. A destination that is paused, or whose circuit is open,
          waits longer.
        </Text>
      )}
      {delivery.state === "dead" && (
        <For role="operator">
          <Group gap="xs" mb="sm">
            <Button
              size="xs"
              leftSection={<Icon name="retry" size={16} />}
              loading={retry.isPending}
              onClick={() => retry.mutate(undefined)}
            >
              Retry
            </Button>
            {delivery.dropped_reason === null && (
              <Button
                size="xs"
                variant="default"
                loading={drop.isPending}
                onClick={async () => {
                  const answer = await ask({
                    title: `Drop the delivery to ${delivery.destination}?`,
                    body:
                      "The service does not get this message. It stays listed under Dropped, with your reason.",
                    action: "Drop",
                    danger: true,
                    reason: "required",
                  });
                  if (answer?.reason) drop.mutate(answer.reason);
                }}
              >
                Drop
              </Button>
            )}
          </Group>
        </For>
      )}
      {attempts.length === 0
        ? <Text size="sm" c="dimmed">No attempt has ended yet, or they were purged after the retention.</Text>
        : (
          <Timeline bulletSize={14} lineWidth={2} active={attempts.length}>
            {attempts.map((attempt) => <Attempted key={attempt.attempt} of={attempt} />)}
          </Timeline>
        )}
    </Section>
  );
}

function Attempted({ of }: { of: Attempt }) {
  const { attempt, outcome, status, latency_ms, error, answer, at } = of;
  const title = outcome === "delivered"
    ? "delivered"
    : outcome === "dead"
    ? "given up"
    : "failed, to be tried again";
  return (
    <Timeline.Item
      color={outcome === "delivered" ? "green" : outcome === "dead" ? "red" : "yellow"}
      title={`${attempt > 0 ? `Attempt ${attempt}` : "Before the retry"}: ${title}`}
    >
      <Text size="xs" c="dimmed" component="div">
        <Time at={at} />, {status === null ? "no answer" : `status ${status}`}
        {latency_ms !== null && `, ${latency_ms} ms`}
      </Text>
      {error && <Text size="sm">{error}</Text>}
      {answer && <Code block mt={4} style={{ whiteSpace: "pre-wrap", maxHeight: 180 }}>{answer}</Code>}
    </Timeline.Item>
  );
}
