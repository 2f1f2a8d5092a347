/** One rollout: its stage, the guard, the actions, and the events. */
import { Alert, Anchor, Group, Paper, SimpleGrid, Stack, Text } from "@mantine/core";
import { useMemo } from "react";
import { Link } from "wouter";
import { eventInWords } from "../../../../supabase/functions/_shared/contract/words/rollouts.ts";
import {
  type Rollout,
  type Stage,
  underWay,
  useRollout,
  useRolloutEvents,
  useStages,
} from "../../data/rollouts.ts";
import { useRpc } from "../../data/query.ts";
import { STATES } from "../../ui/rollout_states.ts";
import { useNames } from "../../session/team.ts";
import { Icon } from "../../ui/icons.tsx";
import { Page } from "../../ui/Page.tsx";
import { State } from "../../ui/State.tsx";
import { Empty, Loaded, Loading } from "../../ui/states.tsx";
import { Time, useNow } from "../../ui/Time.tsx";
import { duration } from "../../ui/times.ts";
import { Actions } from "./Actions.tsx";
import { Arms } from "./Arms.tsx";
import { Events } from "./Events.tsx";
import { Gates } from "./Gates.tsx";
import { standOf, useGates } from "./gates.ts";
import { Guard } from "./Guard.tsx";
import { Notices } from "./Notices.tsx";
import { Signals } from "./Signals.tsx";
import type { Verdict } from "../../words/rollout_verdict.ts";
import { Stages } from "./Stages.tsx";
import { useVerdicts } from "./verdict.ts";

export function RolloutPage({ id }: { id: string }) {
  const found = useRollout(id);
  const stages = useStages(id);
  const back = <Anchor component={Link} href="/rollouts" size="sm">← All rollouts</Anchor>;
  return (
    <Loaded of={found}>
      {([rollout]) =>
        rollout
          ? <Details rollout={rollout} stages={stages.data} back={back} />
          : (
            <Page title="Rollout" back={back}>
              <Empty icon="stairs" title="Rollout not found" />
            </Page>
          )}
    </Loaded>
  );
}

function Details(
  { rollout, stages, back }: { rollout: Rollout; stages: Stage[] | undefined; back: React.ReactNode },
) {
  const name = useNames();
  const events = useRolloutEvents(rollout.id);
  const [words] = STATES[rollout.state];
  const stage = stages?.find(({ position }) => position === rollout.stage);
  const rolledBack = events.items?.find(({ kind }) => kind === "rolled_back");
  const gates = useGates(rollout.flag_key, rollout.state === "draft").data;
  const verdict = useVerdicts(useMemo(() => [rollout], [rollout]))(rollout, {
    gates: gates && standOf(gates),
    because: rolledBack && eventInWords(rolledBack),
  });
  return (
    <Page
      title={rollout.flag_key}
      back={back}
      about={
        <>
          Plan {rollout.plan}, created by {name(rollout.created_by)} <Time at={rollout.created_at} />.{" "}
          <Anchor component={Link} href={`/flags/${rollout.flag_key}`} size="sm" underline="always">
            View flag
          </Anchor>
        </>
      }
      actions={<State size="lg" tone={verdict.tone}>{words}</State>}
    >
      <Paper withBorder radius="md" p="md" component="section" aria-label="Status">
        <Group justify="space-between" gap="md">
          <Standing rollout={rollout} stage={stage} verdict={verdict} />
          <Actions rollout={rollout} stage={stage} last={stages?.length === rollout.stage} />
        </Group>
      </Paper>
      {underWay(rollout) && <KillSwitch flag={rollout.flag_key} />}
      {stages ? <Stages rollout={rollout} stages={stages} /> : <Loading rows={2} />}
      {rollout.state === "draft" && <Gates flag={rollout.flag_key} />}
      {rollout.started_at && stages && (
        <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
          <Guard rollout={rollout} events={events.items ?? []} />
          <Arms rollout={rollout} />
          <Signals rollout={rollout} />
        </SimpleGrid>
      )}
      <Notices rollout={rollout} />
      <Events of={events} />
    </Page>
  );
}

function KillSwitch({ flag }: { flag: string }) {
  const since = useRpc("list_kill_switches", {}).data?.find(({ flag_key }) => flag_key === flag)?.since;
  if (since === undefined) return null;
  return (
    <Alert color="red" icon={<Icon name="warn" />} title="The kill switch is set: nobody has the feature">
      Since <Time at={since} />. The rollout stays at its stage until the variable is unset.
    </Alert>
  );
}

function Standing(
  { rollout, stage, verdict }: { rollout: Rollout; stage: Stage | undefined; verdict: Verdict },
) {
  const now = useNow();
  return (
    <Stack gap={2}>
      <Text fw={650} size="lg" style={{ overflowWrap: "anywhere" }}>{verdict.text}.</Text>
      {rollout.state === "draft"
        ? <Text size="sm" c="dimmed">The rollout has not changed the flag.</Text>
        : underWay(rollout) && stage && rollout.stage_started_at
        ? (
          <Text size="sm" c="dimmed">
            {stage.name === `${Number(stage.percentage)} %` ? "" : `${stage.name}: `}
            {stage.users === null
              ? `${Number(stage.percentage)} % of all contacts`
              : `${stage.chosen.length} of ${stage.users} chosen people`}
            {stage.user_ids.length + stage.segments.length > 0 && ", plus its targets"}, for{" "}
            {duration((now - Date.parse(rollout.stage_started_at)) / 1000)}
          </Text>
        )
        : (
          <Text size="sm" c="dimmed" component="div">
            Ended {rollout.finished_at && <Time at={rollout.finished_at} />}, in stage {rollout.stage}.
          </Text>
        )}
    </Stack>
  );
}
