/** All flags: who has each on, what changes it automatically, and who changed it last. */
import { Anchor, Button, Group, Paper, Progress, SegmentedControl, Stack, Text } from "@mantine/core";
import { Link } from "wouter";
import {
  audience,
  setShareOf,
  shareOf,
} from "../../../../supabase/functions/_shared/contract/words/flags.ts";
import { type Flag, flagPages, isOn } from "../../data/flags.ts";
import { useLivePages } from "../../data/pages.ts";
import { type Rollout, useRolloutsUnderWay } from "../../data/rollouts.ts";
import { STATES } from "../../ui/rollout_states.ts";
import { useNames } from "../../session/team.ts";
import { For } from "../../session/me.tsx";
import { ListTools } from "../../session/ListTools.tsx";
import { useParameter } from "../../ui/location.ts";
import { Example } from "../../ui/Example.tsx";
import { Icon } from "../../ui/icons.tsx";
import { Page } from "../../ui/Page.tsx";
import { State } from "../../ui/State.tsx";
import { SearchField } from "../../ui/SearchField.tsx";
import { Empty, LoadedPages } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { VirtualList } from "../../ui/VirtualList.tsx";
import classes from "./flags.module.css";
import { NewFlag } from "./NewFlag.tsx";
import { Toggle } from "./Toggle.tsx";

export function FlagList() {
  const [search, setSearch] = useParameter("q");
  const [state, setState] = useParameter("state", "all");
  const source = flagPages({ search, state: state === "on" || state === "off" ? state : undefined });
  const flags = useLivePages(source);
  const rollouts = useRolloutsUnderWay();
  const isFiltered = search !== "" || state !== "all";
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
      <ListTools name="flags" source={source}>
        <SearchField label="Search flags" value={search} onChange={setSearch} />
        <SegmentedControl
          aria-label="State"
          value={state}
          onChange={setState}
          data={[{ value: "all", label: "All" }, { value: "on", label: "On" }, {
            value: "off",
            label: "Off",
          }]}
        />
      </ListTools>
      <LoadedPages
        of={flags}
        empty={isFiltered
          ? (
            <Empty
              icon="search"
              title={search ? `No flags match “${search}”` : `No flags are ${state}`}
              action={
                <Button variant="default" onClick={() => (setSearch(""), setState("all"))}>
                  Clear search
                </Button>
              }
            />
          )
          : (
            <Empty icon="flag" title="No flags yet">
              Create a flag before you deploy its feature.
              <Example command='gatelink flags set referrals off --new --why "for the launch in March" --description "Invitations by link"' />
            </Empty>
          )}
      >
        {(items) => (
          <Paper withBorder radius="md">
            <VirtualList
              label="Flags"
              items={items}
              idOf={({ key }) => key}
              height={76}
              itemProps={({ key }) => ({ className: classes.row, "data-flag": key })}
              hasMore={flags.hasMore}
              reading={flags.reading}
              more={flags.more}
            >
              {(flag) => (
                <Row
                  flag={flag}
                  rollout={rollouts.data?.find(({ flag_key }) => flag_key === flag.key)}
                />
              )}
            </VirtualList>
          </Paper>
        )}
      </LoadedPages>
    </Page>
  );
}

function Row({ flag, rollout }: { flag: Flag; rollout: Rollout | undefined }) {
  const name = useNames();
  const { metadata } = flag;
  const targets = (metadata.target_user_ids?.length ?? 0) + (metadata.target_segments?.length ?? 0);
  return (
    <>
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
    </>
  );
}
