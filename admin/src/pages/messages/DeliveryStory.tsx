/**
 * The history of one delivery of a message, and an operator's actions while it waits or once it is a dead
 * letter.
 */
import { Button, Code, Group, Text, Timeline } from "@mantine/core";
import { rpc, useChange } from "../../data/query.ts";
import { useNames } from "../../session/team.ts";
import { For } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { Icon } from "../../ui/icons.tsx";
import { State } from "../../ui/State.tsx";
import { InZone, Time } from "../../ui/Time.tsx";
import { StoryPart } from "./StoryPart.tsx";
import type {
  DeliveryAttempt,
  MessageDelivery,
} from "../../../../supabase/functions/_shared/contract/answers/messages.ts";
import { droppedWords, stateOf } from "./words.ts";

export function DeliveryStory(
  { delivery, attempts }: { delivery: MessageDelivery; attempts: DeliveryAttempt[] },
) {
  const ask = useAsk();
  const nameOf = useNames();
  const touches = [
    "message_story",
    "conversation_messages",
    "list_waiting",
    "list_dead_letters",
    "destination_health",
    "status",
  ];
  const retry = useChange({
    act: () => rpc("retry_deliveries", { p_ids: [delivery.id] }),
    touches,
    said: () => "Being retried.",
  });
  const revive = async () => {
    await rpc("retry_deliveries", { p_ids: [delivery.id] });
    return "Undone: it is being delivered again.";
  };
  const drop = useChange({
    act: (reason: string) => rpc("drop_deliveries", { p_ids: [delivery.id], p_reason: reason }),
    touches,
    said: () => "Dropped.",
    undo: () => delivery.state === "dead" ? undefined : revive,
  });
  const skip = useChange({
    act: () => rpc("skip_deliveries", { p_ids: [delivery.id] }),
    touches,
    said: () => "Skipped. It is now a dead letter.",
    undo: () => revive,
  });
  const [tone, word] = stateOf(delivery);
  return (
    <StoryPart
      title={`To ${delivery.destination}`}
      aside={<State tone={tone} asWritten>{word}</State>}
    >
      {delivery.dropped_reason && (
        <Text size="sm" mb="xs">{droppedWords(delivery.dropped_reason, nameOf)}</Text>
      )}
      {delivery.next_attempt_at && (
        <Text size="sm" mb="xs">
          Next attempt:{" "}
          <Time at={delivery.next_attempt_at} />. Later if the destination is paused or its circuit is open.
        </Text>
      )}
      {(delivery.state === "dead" || delivery.state === "pending") && (
        <For role="operator">
          <Group gap="xs" mb="sm">
            <Button
              size="xs"
              leftSection={<Icon name="retry" size={16} />}
              loading={retry.isPending}
              onClick={() => retry.mutate(undefined)}
            >
              {delivery.state === "dead" ? "Retry" : "Retry now"}
            </Button>
            {delivery.state === "pending" && (
              <Button
                size="xs"
                variant="default"
                loading={skip.isPending}
                onClick={() => skip.mutate(undefined)}
              >
                Skip
              </Button>
            )}
            {delivery.dropped_reason === null && (
              <Button
                size="xs"
                variant="default"
                loading={drop.isPending}
                onClick={async () => {
                  const answer = await ask({
                    title: `Drop the delivery to ${delivery.destination}?`,
                    body:
                      "The service will not receive this message. It stays listed under Dropped, with your reason.",
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
        ? (
          <Text size="sm" c="dimmed">
            No completed attempts, or they were deleted after the retention period.
          </Text>
        )
        : (
          <Timeline bulletSize={14} lineWidth={2} active={attempts.length}>
            {attempts.map((attempt) => <Attempted key={attempt.attempt} of={attempt} />)}
          </Timeline>
        )}
    </StoryPart>
  );
}

function Attempted({ of }: { of: DeliveryAttempt }) {
  const { attempt, outcome, status, latency_ms, error, answer, at } = of;
  const title = outcome === "delivered"
    ? "delivered"
    : outcome === "dead"
    ? "given up"
    : "failed, will be retried";
  return (
    <Timeline.Item
      color={outcome === "delivered" ? "green" : outcome === "dead" ? "red" : "yellow"}
      title={`${attempt > 0 ? `Attempt ${attempt}` : "Before the retry"}: ${title}`}
    >
      <Text size="xs" c="dimmed" component="div">
        <Time at={at} />, {status === null ? "no answer" : `status ${status}`}
        {latency_ms !== null && `, ${latency_ms} ms`}
      </Text>
      {error && (
        <Text size="sm">
          <InZone text={error} />
        </Text>
      )}
      {answer && (
        <Code block dir="auto" mt={4} style={{ whiteSpace: "pre-wrap", maxHeight: 180 }}>{answer}</Code>
      )}
    </Timeline.Item>
  );
}
