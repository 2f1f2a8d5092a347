/** All flags: who has each on, what changes it automatically, and who changed it last. */
import { Anchor, Button, Group, Paper, Progress, Stack, Text, TextInput } from "@mantine/core";
import { Link } from "wouter";
import {
  audience,
  setShareOf,
  shareOf,
} from "../../../../supabase/functions/_shared/contract/words/flags.ts";
import { type Flag, isOn, useFlags } from "../../data/flags.ts";
import { type Rollout, underWay, useRollouts } from "../../data/rollouts.ts";
import { STATES } from "../../ui/rollout_states.ts";
import { useNames } from "../../session/team.ts";
import { For } from "../../session/me.tsx";
import { useParameter } from "../../ui/location.ts";
import { Icon } from "../../ui/icons.tsx";
import { Page } from "../../ui/Page.tsx";
import { State } from "../../ui/State.tsx";
import { Empty, Loaded } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import classes from "./flags.module.css";
import { NewFlag } from "./NewFlag.tsx";
import { Toggle } from "./Toggle.tsx";

export function FlagList() {
  const flags = useFlags();
  const rollouts = useRollouts();
  const [search, setSearch] = useParameter("q");
  const wanted = (flag: Flag) =>
    `${flag.key} ${flag.metadata.description ?? ""}`.toLowerCase().includes(search.toLowerCase());
  return (
    <Page
      title="Flags"
      about="Each feature has a flag. Turning it off takes effect within 5 seconds."
      actions={
        <>
          <Button
            component={Link}
            href="/flags/segments"
            variant="default"
            leftSection={<Icon name="people" size={16} />}
          >
            Segments
          </Button>
          <For role="operator">
            <NewFlag />
          </For>
        </>
      }
    >
      <TextInput
        aria-label="Search flags"
        placeholder="Search flags"
        type="search"
        leftSection={<Icon name="search" size={16} />}
        value={search}
        onChange={(event) => setSearch(event.currentTarget.value)}
        maw={360}
      />
      <Loaded
        of={flags}
        empty={
          <Empty icon="flag" title="No flags yet">
            Create a flag before you deploy its feature.
          </Empty>
        }
      >
        {(flags) => {
          const found = flags.filter(wanted);
          if (found.length === 0) {
            return (
              <Empty
                icon="search"
                title={`No flags match “${search}”`}
                action={<Button variant="default" onClick={() => setSearch("")}>Clear search</Button>}
              />
            );
          }
          return (
            <Paper withBorder radius="md" component="ul" className={classes.list}>
              {found.map((flag) => (
                <Row
                  key={flag.key}
                  flag={flag}
                  rollout={rollouts.data?.find((rollout) =>
                    rollout.flag_key === flag.key && underWay(rollout)
                  )}
                />
              ))}
            </Paper>
          );
        }}
      </Loaded>
    </Page>
  );
}

function Row({ flag, rollout }: { flag: Flag; rollout: Rollout | undefined }) {
  const name = useNames();
  const { metadata } = flag;
  const targets = (metadata.target_user_ids?.length ?? 0) + (metadata.target_segments?.length ?? 0);
  return (
    <li className={classes.row} data-flag={flag.key}>
      <Stack gap={2} className={classes.name}>
        <Anchor component={Link} href={`/flags/${flag.key}`} fw={600} style={{ overflowWrap: "anywhere" }}>
          {flag.key}
        </Anchor>
        {metadata.description && <Text size="sm" c="dimmed" lineClamp={2}>{metadata.description}</Text>}
      </Stack>
      <Stack gap={6}>
        <Text size="sm">
          {isOn(flag) ? `on for ${audience(flag)}` : `off, set to ${setShareOf(metadata)} %`}
        </Text>
        <Progress value={shareOf(flag)} size="xs" aria-label={`${flag.key} is on for ${shareOf(flag)} %`} />
      </Stack>
      <Group gap={6}>
        {rollout && (
          <Anchor component={Link} href={`/rollouts/${rollout.id}`} underline="never">
            <State tone={STATES[rollout.state][1]}>rollout: stage {rollout.stage}</State>
          </Anchor>
        )}
        {targets > 0 && <State tone="plain">{targets} {targets === 1 ? "target" : "targets"}</State>}
        {metadata.schedule && <State tone="info">scheduled</State>}
      </Group>
      <Text size="xs" c="dimmed" component="div">
        <Time at={flag.updated_at} /> by {name(flag.updated_by)}
      </Text>
      <Toggle flag={flag} />
    </li>
  );
}
