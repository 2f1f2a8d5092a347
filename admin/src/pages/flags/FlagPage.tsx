/** One flag: its state, targets, prerequisites, schedule and history. */
import { Alert, Anchor, Group, Paper, SimpleGrid, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { Link } from "wouter";
import { audience } from "../../../../supabase/functions/_shared/contract/words/flags.ts";
import { type Flag, isOn, type SetFlag, useFlag } from "../../data/flags.ts";
import { useRolloutsUnderWay } from "../../data/rollouts.ts";
import { useNames } from "../../session/team.ts";
import { Icon } from "../../ui/icons.tsx";
import { Page } from "../../ui/Page.tsx";
import { Empty, Loaded } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { Affected } from "./Affected.tsx";
import { Apps } from "./Apps.tsx";
import { Check } from "./Check.tsx";
import { Conflict } from "./Conflict.tsx";
import { History } from "./History.tsx";
import { Needs } from "./Needs.tsx";
import { Schedule } from "./Schedule.tsx";
import { Share } from "./Share.tsx";
import { Targets } from "./Targets.tsx";
import { Toggle } from "./Toggle.tsx";

export function FlagPage({ flagKey }: { flagKey: string }) {
  const flag = useFlag(flagKey);
  const back = <Anchor component={Link} href="/flags" size="sm">← All flags</Anchor>;
  return (
    <Loaded of={flag}>
      {(flag) =>
        flag ? <Details flag={flag} back={back} /> : (
          <Page title={flagKey} back={back}>
            <Empty icon="flag" title="Flag not found">
              It may have been renamed. The list shows all flags.
            </Empty>
          </Page>
        )}
    </Loaded>
  );
}

function Details({ flag, back }: { flag: Flag; back: React.ReactNode }) {
  const name = useNames();
  const rollout = useRolloutsUnderWay(flag.key).data?.[0];
  const [wanted, setWanted] = useState<SetFlag>();
  const onConflict = (_refusal: unknown, args: SetFlag) => setWanted(args);
  return (
    <Page title={flag.key} about={flag.metadata.description} back={back}>
      {wanted && <Conflict flag={flag} wanted={wanted} done={() => setWanted(undefined)} />}
      {rollout && (
        <Alert icon={<Icon name="stairs" />} color="teal" title="A rollout controls this flag">
          Manual changes pause the rollout. Turning the flag off ends it.{" "}
          <Anchor component={Link} href={`/rollouts/${rollout.id}`} size="sm" underline="always">
            View rollout
          </Anchor>
        </Alert>
      )}
      <Paper withBorder radius="md" p="md" component="section" aria-label="State">
        <Group justify="space-between">
          <div>
            <Text fw={650} size="lg">{isOn(flag) ? `On for ${audience(flag)}` : "Off"}</Text>
            <Text size="sm" c="dimmed" component="div">
              Version {flag.version}, changed <Time at={flag.updated_at} /> by {name(flag.updated_by)}
            </Text>
          </div>
          <Toggle flag={flag} size="lg" onConflict={onConflict} />
        </Group>
      </Paper>
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <Stack gap="md">
          <Share flag={flag} onConflict={onConflict} />
          <Needs flag={flag} onConflict={onConflict} />
          <Schedule flag={flag} onConflict={onConflict} />
          <Apps flag={flag} onConflict={onConflict} />
        </Stack>
        <Stack gap="md">
          <Check flag={flag.key} />
          <Targets flag={flag} />
          <Affected flag={flag.key} />
          <History flag={flag} />
        </Stack>
      </SimpleGrid>
    </Page>
  );
}
