/**
 * A conflict with another person's change: shows theirs and yours, and lets you choose. Nothing is
 * overwritten without a choice.
 */
import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import { type Changes, type Flag, type SetFlag, useSetFlag } from "../../data/flags.ts";
import { useRows } from "../../data/query.ts";
import { useNames } from "../../session/team.ts";
import { Icon } from "../../ui/icons.tsx";
import { Time } from "../../ui/Time.tsx";
import { inZone } from "../../ui/times.ts";
import { Diff } from "./Diff.tsx";
import { differences } from "./diff.ts";

export function Conflict({ flag, wanted, done }: { flag: Flag; wanted: SetFlag; done: () => void }) {
  const name = useNames();
  const set = useSetFlag();
  const steps = useRows(
    ["settings_history", { key: flag.key, after: wanted.version }],
    (client) =>
      client.from("settings_history").select("version,before,after,changed_at,changed_by,reason").eq(
        "key",
        flag.key,
      )
        .gt("version", wanted.version).order("version").limit(100),
  );
  return (
    <Alert
      color="red"
      role="alert"
      title="Not saved: somebody else changed this flag"
      icon={<Icon name="warn" />}
    >
      <Stack gap="sm">
        {steps.data?.map((step) => (
          <div key={step.version}>
            <Text size="sm" component="div">
              {name(step.changed_by)}, <Time at={step.changed_at} />
              {step.reason && `: ${step.reason}`}
            </Text>
            <Diff of={differences(step.before, step.after)} />
          </div>
        ))}
        <Text size="sm">
          Your change: {changesInWords(wanted.changes)}. You saw version{" "}
          {wanted.version}; the flag is now at version {flag.version}.
        </Text>
        <Group gap="xs">
          <Button size="xs" variant="default" onClick={done}>Discard my change</Button>
          <Button
            size="xs"
            color="red"
            loading={set.isPending}
            onClick={() => set.mutate({ ...wanted, version: flag.version }, { onSuccess: done })}
          >
            Apply my change
          </Button>
        </Group>
      </Stack>
    </Alert>
  );
}

/** What each change does, in words; null removes a member. */
const SAYS: { [Name in keyof Changes]-?: (value: NonNullable<Changes[Name]> | null) => string } = {
  on: (on) => on ? "turn it on" : "turn it off",
  percentage: (share) => share === null ? "remove the percentage" : `set the percentage to ${share} %`,
  prerequisites: (keys) => keys === null ? "remove all prerequisites" : `require ${keys.join(", ")}`,
  on_at: (at) => at === null ? "no scheduled start" : `turn it on at ${inZone(at)}`,
  off_at: (at) => at === null ? "no scheduled end" : `turn it off at ${inZone(at)}`,
  description: (text) => text === null ? "remove the description" : `describe it as “${text}”`,
  client: (client) => client ? "let apps read it" : "keep it from apps",
};

function changesInWords(changes: Changes): string {
  return Object.entries(changes).map(([name, value]) => {
    const say = SAYS[name as keyof Changes] as ((value: unknown) => string) | undefined;
    return say?.(value) ?? name;
  }).join(", ");
}
