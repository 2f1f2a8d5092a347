/** The split as it is, and what changes it: a percentage by hand, a guarded ramp, and the way back. */
import { Alert, Anchor, Button, Group, NumberInput, Progress, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { Link } from "wouter";
import type { TrafficSplit } from "../../../../supabase/functions/_shared/contract/answers/traffic.ts";
import { useChange } from "../../data/query.ts";
import { setGreen, type Side, SPLIT_CHANGED, startRamp } from "../../data/traffic.ts";
import { For } from "../../session/me.tsx";
import { useNames } from "../../session/team.ts";
import { useAsk } from "../../ui/ask.tsx";
import { Icon } from "../../ui/icons.tsx";
import { Reason } from "../../ui/Reason.tsx";
import { Section } from "../../ui/Section.tsx";
import { Time } from "../../ui/Time.tsx";
import { useUnsaved } from "../../ui/unsaved.ts";

/** @param green What green says of itself; null if it does not answer, undefined while that is not known. */
export function Split({ split, green }: { split: TrafficSplit; green: Side | null | undefined }) {
  const nameOf = useNames();
  const { rollout } = split;
  return (
    <Section title="Split">
      <Stack gap="sm">
        <Group justify="space-between" gap="xs">
          <Text fw={650} size="lg">Blue {split.blue} %</Text>
          <Text fw={650} size="lg">Green {split.green} %</Text>
        </Group>
        <Progress.Root size="xl" aria-hidden>
          <Progress.Section value={split.blue} color="blue" />
          <Progress.Section value={split.green} color="teal" />
        </Progress.Root>
        <Text size="sm" c="dimmed" component="div" style={{ overflowWrap: "anywhere" }}>
          {split.changed_at === null ? "Traffic was never split: everybody gets blue." : (
            <>
              Changed <Time at={split.changed_at} /> by {nameOf(split.changed_by ?? "")}
              {split.reason && (
                <>
                  : <Reason text={split.reason} />
                </>
              )}
            </>
          )}
        </Text>
        {rollout && (
          <Text size="sm" component="div">
            <Anchor component={Link} href={`/rollouts/${rollout.id}`} underline="always">
              Ramp by the plan {rollout.plan}
            </Anchor>
            {`, ${rollout.state === "paused" ? "paused" : "under way"}`}
            {rollout.stage && ` at ${rollout.stage}`}
            {rollout.since && (
              <>
                {" "}since <Time at={rollout.since} />
              </>
            )}
            {rollout.waits_because && `; it waits: ${rollout.waits_because.replaceAll("_", " ")}`}
          </Text>
        )}
        {green === null && (
          <Alert color={split.green > 0 ? "red" : "gray"} variant="light" title="Green does not answer">
            {split.green > 0
              ? "Visitors are sent there all the same. Send everybody back to blue."
              : "Nobody is sent there. Deploy it with gatelink traffic deploy, then begin a ramp."}
          </Alert>
        )}
        <For role="operator">
          <Changes split={split} answers={green !== null && green !== undefined} />
        </For>
      </Stack>
    </Section>
  );
}

/** Each asks first; a way to green is offered only while green answers, and the change asks it once more. */
function Changes({ split, answers }: { split: TrafficSplit; answers: boolean }) {
  const ask = useAsk();
  const [typed, setTyped] = useState<number>();
  const set = useChange<{ green: number; reason: string | null }, TrafficSplit>({
    act: ({ green, reason }) => setGreen(green, reason),
    touches: SPLIT_CHANGED,
    said: ({ blue, green }) => `Blue ${blue} %, green ${green} %. Every gateway sees it within 5 seconds.`,
  });
  const ramp = useChange<string, TrafficSplit>({
    act: (reason) => startRamp(split.version, reason),
    touches: SPLIT_CHANGED,
    said: () => "The ramp is under way.",
  });
  useUnsaved(typed !== undefined && !set.isPending ? "the split" : undefined);

  async function save(green: number) {
    const more = green > split.green;
    const answer = await ask({
      title: `Green: ${split.green} % → ${green} %`,
      body: [
        more
          ? "Nobody watches a split that was set by hand. A ramp goes by stages and takes back what does harm."
          : "Visitors above the share go to blue.",
        split.rollout ? (green === 0 ? "The ramp ends." : "The ramp is paused.") : "",
      ].join(" ").trim(),
      action: "Change",
      danger: more,
      reason: more ? "required" : "optional",
    });
    if (answer) set.mutate({ green, reason: answer.reason }, { onSettled: () => setTyped(undefined) });
  }
  async function begin() {
    const answer = await ask({
      title: "Begin a ramp to green?",
      body:
        "1, 5 and 10 % for 30 minutes each, 25 and 50 % for an hour, 100 % for two. The guard compares both sides every minute and goes back by itself.",
      action: "Begin",
      reason: "required",
    });
    if (answer?.reason) ramp.mutate(answer.reason);
  }
  async function back() {
    const answer = await ask({
      title: "Send everybody back to blue?",
      body: `Within 5 seconds nobody is on green.${split.rollout ? " The ramp ends as rolled back." : ""}`,
      action: "Back to blue",
      danger: true,
      reason: "required",
    });
    if (answer) set.mutate({ green: 0, reason: answer.reason }, { onSettled: () => setTyped(undefined) });
  }

  return (
    <Stack gap="sm">
      <Group gap="xs" align="flex-end">
        <NumberInput
          w={130}
          label="Green's share"
          value={typed ?? split.green}
          onChange={(value) => typeof value === "number" && setTyped(value)}
          min={0}
          max={100}
          decimalScale={2}
          suffix=" %"
          clampBehavior="strict"
        />
        <Button
          variant="default"
          loading={set.isPending}
          disabled={typed === undefined || typed === split.green || typed > 0 && !answers}
          onClick={() => save(typed!)}
        >
          Set
        </Button>
      </Group>
      <Group gap="xs">
        {split.rollout === null && (
          <Button
            leftSection={<Icon name="stairs" size={16} />}
            loading={ramp.isPending}
            disabled={!answers}
            onClick={begin}
          >
            Begin a ramp
          </Button>
        )}
        {(split.green > 0 || split.rollout !== null) && (
          <Button
            color="red"
            leftSection={<Icon name="undo" size={16} />}
            loading={set.isPending}
            onClick={back}
          >
            Back to blue
          </Button>
        )}
      </Group>
    </Stack>
  );
}
