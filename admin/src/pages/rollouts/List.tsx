/** All rollouts, newest first. */
import { Anchor, Button, Group, Paper, SegmentedControl, Text } from "@mantine/core";
import { Link } from "wouter";
import { type Pages, useLivePages } from "../../data/pages.ts";
import { type Rollout, rolloutPages } from "../../data/rollouts.ts";
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
import type { Verdict } from "../../words/rollout_verdict.ts";
import { useVerdicts } from "./verdict.ts";
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
              <Example command="gatelink rollout create deeplinks --template standard --segment team" />
            </Empty>
          )}
      >
        {(items) => (
          <Paper withBorder radius="md">
            <Rows items={items} of={rollouts} />
          </Paper>
        )}
      </LoadedPages>
    </Page>
  );
}

function Rows({ items, of }: { items: Rollout[]; of: Pages<Rollout> }) {
  const verdict = useVerdicts(items);
  return (
    <VirtualList
      label="Rollouts"
      className={classes.list}
      items={items}
      idOf={({ id }) => id}
      height={90}
      hasMore={of.hasMore}
      reading={of.reading}
      more={of.more}
    >
      {(rollout) => <Row rollout={rollout} verdict={verdict(rollout)} />}
    </VirtualList>
  );
}

function Row({ rollout, verdict }: { rollout: Rollout; verdict: Verdict }) {
  const name = useNames();
  const [words] = STATES[rollout.state];
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
          <Text size="sm">{verdict.text}</Text>
          <Text size="xs" c="dimmed" component="div">
            {rollout.plan}
            {rollout.stage > 0 && `, stage ${rollout.stage}`}, <Time at={at} />; created by{" "}
            {name(rollout.created_by)}
          </Text>
        </div>
        <State tone={verdict.tone}>{words}</State>
      </Group>
    </>
  );
}
