/** All rollouts, newest first. */
import { Anchor, Button, Group, Paper, SegmentedControl, Text } from "@mantine/core";
import { Link } from "wouter";
import { useLivePages } from "../../data/pages.ts";
import { type Rollout, rolloutPages } from "../../data/rollouts.ts";
import { STATES } from "../../ui/rollout_states.ts";
import { useNames } from "../../session/team.ts";
import { For } from "../../session/me.tsx";
import { ListTools } from "../../session/ListTools.tsx";
import { useParameter } from "../../ui/location.ts";
import { Icon } from "../../ui/icons.tsx";
import { Page } from "../../ui/Page.tsx";
import { State } from "../../ui/State.tsx";
import { SearchField } from "../../ui/SearchField.tsx";
import { Empty, LoadedPages } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { VirtualList } from "../../ui/VirtualList.tsx";
import classes from "./rollouts.module.css";

export function RolloutList() {
  const [which, setWhich] = useParameter("which", "all");
  const [search, setSearch] = useParameter("q");
  const source = rolloutPages({ search, which: which === "open" || which === "over" ? which : "all" });
  const rollouts = useLivePages(source);
  const add = (
    <For role="operator">
      <Button component={Link} href="/rollouts/new" leftSection={<Icon name="plus" size={16} />}>
        New rollout
      </Button>
    </For>
  );
  return (
    <Page
      title="Rollouts"
      about="A rollout gives a feature to more people in stages. A guard checks it every minute and rolls back if it fails."
      actions={add}
    >
      <ListTools name="rollouts" source={source}>
        <SearchField label="Search by flag" value={search} onChange={setSearch} />
        <SegmentedControl
          aria-label="Which rollouts"
          value={which}
          onChange={setWhich}
          data={[{ value: "all", label: "All" }, { value: "open", label: "Open" }, {
            value: "over",
            label: "Finished",
          }]}
        />
      </ListTools>
      <LoadedPages
        of={rollouts}
        empty={search
          ? <Empty icon="search" title={`No rollouts match “${search}”`} />
          : which !== "all"
          ? <Empty icon="stairs" title={which === "open" ? "No open rollouts" : "No finished rollouts"} />
          : (
            <Empty icon="stairs" title="No rollouts yet" action={add}>
              To create one, choose a flag that is off and a plan.
            </Empty>
          )}
      >
        {(items) => (
          <Paper withBorder radius="md">
            <VirtualList
              label="Rollouts"
              className={classes.list}
              items={items}
              idOf={({ id }) => id}
              height={68}
              hasMore={rollouts.hasMore}
              reading={rollouts.reading}
              more={rollouts.more}
            >
              {(rollout) => <Row rollout={rollout} />}
            </VirtualList>
          </Paper>
        )}
      </LoadedPages>
    </Page>
  );
}

function Row({ rollout }: { rollout: Rollout }) {
  const name = useNames();
  const [words, tone] = STATES[rollout.state];
  const at = rollout.finished_at ?? rollout.stage_started_at ?? rollout.created_at;
  return (
    <>
      <Group justify="space-between" wrap="nowrap">
        <div style={{ minWidth: 0 }}>
          <Anchor
            component={Link}
            href={`/rollouts/${rollout.id}`}
            fw={600}
            style={{ overflowWrap: "anywhere" }}
          >
            {rollout.flag_key}
          </Anchor>
          <Text size="sm" c="dimmed" component="div">
            {rollout.plan}
            {rollout.stage > 0 && `, stage ${rollout.stage}`}, <Time at={at} />; created by{" "}
            {name(rollout.created_by)}
          </Text>
        </div>
        <State tone={tone}>{words}</State>
      </Group>
    </>
  );
}
