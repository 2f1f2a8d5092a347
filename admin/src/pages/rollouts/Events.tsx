/**
 * The events: who did what and why; and the guard's verdicts with their evidence, recomputed in this browser.
 */
import { Button, Code, Collapse, Group, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { eventInWords } from "../../../../supabase/functions/_shared/contract/words/rollouts.ts";
import { ALARM } from "../../../../supabase/functions/_shared/rollouts/series.ts";
import { replay, type Replayed } from "../../../../supabase/functions/_shared/rollouts/replay.ts";
import type { Pages } from "../../data/pages.ts";
import type { RolloutEvent } from "../../data/rollouts.ts";
import { useNames } from "../../session/team.ts";
import { Section } from "../../ui/Section.tsx";
import { State, type Tone } from "../../ui/State.tsx";
import { LoadedPages } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import classes from "./rollouts.module.css";

const TONES: Record<string, Tone> = {
  rolled_back: "bad",
  paged: "bad",
  paused: "warn",
  held: "warn",
  completed: "info",
};

export function Events({ of }: { of: Pages<RolloutEvent> }) {
  return (
    <Section title="Events" flush>
      <LoadedPages of={of} empty={<Text size="sm" c="dimmed" p="md">No events yet.</Text>}>
        {(events) => {
          // Replayed in chronological order, because each event starts from the end of the one before.
          const replayed = new Map(replay([...events].reverse()).map((one) => [one.id, one]));
          return (
            <ol className={classes.list}>
              {events.map((event) => (
                <Event
                  key={event.id}
                  event={event}
                  replayed={replayed.get(event.id)}
                />
              ))}
              {of.hasMore && (
                <li>
                  <Button size="xs" variant="default" fullWidth loading={of.reading} onClick={of.more}>
                    Show more
                  </Button>
                </li>
              )}
            </ol>
          );
        }}
      </LoadedPages>
    </Section>
  );
}

function Event({ event, replayed }: { event: RolloutEvent; replayed: Replayed | undefined }) {
  const name = useNames();
  const [opened, { toggle }] = useDisclosure();
  const { kind, at, actor, reason, evidence, rule } = event;
  return (
    <li>
      <Group justify="space-between" align="flex-start" wrap="nowrap">
        <div style={{ minWidth: 0 }}>
          <Group gap="xs">
            <State tone={TONES[kind] ?? "plain"}>{kind.replace("_", " ")}</State>
            <Text size="sm" component="span" style={{ overflowWrap: "anywhere" }}>{eventInWords(event)}</Text>
          </Group>
          <Text size="xs" c="dimmed" component="div" mt={4}>
            <Time at={at} /> by {rule && rule !== "by_hand" ? "the guard" : name(actor)}
            {reason && `: ${reason}`}
          </Text>
        </div>
        {evidence != null && (
          <Button
            size="compact-xs"
            variant="default"
            onClick={toggle}
            aria-expanded={opened}
            style={{ flex: "none" }}
          >
            Evidence
          </Button>
        )}
      </Group>
      {evidence != null && (
        <Collapse expanded={opened}>
          <Stack gap="xs" mt="sm">
            {replayed && <Again of={replayed} />}
            <Code block tabIndex={0} style={{ maxHeight: 320, overflow: "auto" }}>
              {JSON.stringify(evidence, null, 1)}
            </Code>
          </Stack>
        </Collapse>
      )}
    </li>
  );
}

function Again({ of: { differences, highest, minutes, recomputed } }: { of: Replayed }) {
  const same = differences.length === 0;
  return (
    <Text size="sm" component="div">
      <State tone={same ? "good" : "bad"}>{same ? "agrees" : "differs"}</State>{" "}
      Recomputed in this browser from {minutes} {minutes === 1 ? "minute" : "minutes"}:{" "}
      {recomputed.verdict.replace("_", " ")} ({recomputed.rule.replaceAll("_", " ")}), highest S{" "}
      {(Math.max(...highest) / 1e6).toFixed(2)} of {(ALARM / 1e6).toFixed(2)}
      {!same && `. Differences: ${differences.join(", ")}`}.
    </Text>
  );
}
