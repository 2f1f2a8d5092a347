/** Rollouts in progress. */
import { Anchor, Group, Progress, Text } from "@mantine/core";
import { Link } from "wouter";
import { Section } from "../../ui/Section.tsx";
import { State } from "../../ui/State.tsx";
import { Empty } from "../../ui/states.tsx";
import type { Overview } from "../../../../supabase/functions/_shared/contract/answers/operations.ts";
import classes from "./overview.module.css";

export function Running({ rollouts }: { rollouts: Overview["rollouts"] }) {
  return (
    <Section title="Rollouts in progress" flush>
      {rollouts.length === 0
        ? (
          <Empty icon="stairs" title="No rollouts in progress">
            <Anchor component={Link} href="/rollouts" size="sm" underline="always">
              Roll out a feature
            </Anchor>{" "}
            to more people in stages.
          </Empty>
        )
        : (
          <ul className={classes.list}>
            {rollouts.map(({ id, flag_key, state, stage_name, percentage, killed_since }) => (
              <li key={id}>
                <Group justify="space-between" wrap="nowrap" mb={6}>
                  <Anchor component={Link} href={`/rollouts/${id}`} size="sm" fw={600} truncate>
                    {flag_key}
                  </Anchor>
                  {killed_since === null
                    ? <State tone={state === "paused" ? "warn" : "good"}>{state}</State>
                    : <State tone="bad">kill switch set</State>}
                </Group>
                <Progress
                  value={Number(percentage ?? 0)}
                  size="sm"
                  aria-label={`${flag_key}: ${percentage} %`}
                />
                <Text size="xs" c="dimmed" mt={4}>{stage_name}, {Number(percentage ?? 0)} %</Text>
              </li>
            ))}
          </ul>
        )}
    </Section>
  );
}
