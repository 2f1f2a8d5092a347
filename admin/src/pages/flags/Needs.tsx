/** The prerequisites of a flag. */
import { Button, Group, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { type Flag, isOn, type OnConflict, useFlagsNamed, useSetFlag } from "../../data/flags.ts";
import { useMay } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { FlagsPicker } from "../../ui/FlagPicker.tsx";
import { Section } from "../../ui/Section.tsx";
import { useUnsaved } from "../../ui/unsaved.ts";

export function Needs({ flag, onConflict }: { flag: Flag; onConflict: OnConflict }) {
  const may = useMay("operator");
  const ask = useAsk();
  const set = useSetFlag(onConflict);
  const [draft, setDraft] = useState<{ keys: string[]; version: number }>();
  useUnsaved(draft && !set.isPending ? "the prerequisites" : undefined);
  const now = flag.metadata.prerequisites ?? [];
  const named = useFlagsNamed(now);
  const missing = named.data === undefined
    ? []
    : now.filter((key) => !named.data.some((other) => other.key === key && isOn(other)));

  async function save() {
    if (!draft) return;
    const dropped = now.filter((key) => !draft.keys.includes(key));
    // Without a prerequisite, a flag that is on reaches more people.
    const answer = isOn(flag) && dropped.length > 0
      ? await ask({
        title: `Remove ${dropped.join(", ")} as a prerequisite of ${flag.key}?`,
        body: "Within 5 seconds, the flag is also on for people without that prerequisite.",
        action: "Change",
        reason: "required",
      })
      : { reason: null };
    if (!answer) return;
    set.mutate({
      key: flag.key,
      changes: { prerequisites: draft.keys.length > 0 ? draft.keys : null },
      version: draft.version,
      reason: answer.reason ?? "prerequisites changed in the panel",
    }, { onSettled: () => setDraft(undefined) });
  }

  return (
    <Section title="Prerequisites" about="The flag is off for people who do not have all of these flags.">
      <Stack gap="sm">
        {now.length === 0 && !may && <Text size="sm" c="dimmed">None.</Text>}
        {missing.length > 0 && (
          <Text size="sm" c="var(--bad)" role="status">
            Currently off for everybody: {missing.join(", ")} is off or does not exist.
          </Text>
        )}
        {(may || now.length > 0) && (
          <FlagsPicker
            ariaLabel="Prerequisites"
            placeholder={(draft?.keys ?? now).length === 0 ? "None" : undefined}
            values={draft?.keys ?? now}
            onChange={(keys) => setDraft({ keys, version: draft?.version ?? flag.version })}
            disabled={!may}
            without={flag.key}
          />
        )}
        {draft && (
          <Group gap="xs">
            <Button size="xs" loading={set.isPending} onClick={save}>Save</Button>
            <Button
              size="xs"
              variant="default"
              onClick={() => setDraft(undefined)}
            >
              Cancel
            </Button>
          </Group>
        )}
      </Stack>
    </Section>
  );
}
