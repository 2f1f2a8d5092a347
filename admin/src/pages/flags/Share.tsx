/** The percentage as a slider, with the number of people. */
import { Button, Group, NumberInput, Slider, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { setShareOf } from "../../../../supabase/functions/_shared/contract/words/flags.ts";
import { type Flag, isOn, type OnConflict, useSetFlag } from "../../data/flags.ts";
import { useRpc } from "../../data/query.ts";
import { useMay } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { Section } from "../../ui/Section.tsx";
import { useUnsaved } from "../../ui/unsaved.ts";

export function Share({ flag, onConflict }: { flag: Flag; onConflict: OnConflict }) {
  const may = useMay("operator");
  const ask = useAsk();
  const set = useSetFlag(onConflict);
  const people = useRpc("count_contacts", {}, { every: 60_000 });
  // The version shown when the slider was first moved: a change by somebody else since then is a conflict.
  const [draft, setDraft] = useState<{ share: number; version: number }>();
  useUnsaved(draft && !set.isPending ? "the percentage" : undefined);
  const now = setShareOf(flag.metadata);
  const share = draft?.share ?? now;
  const move = (share: number) => setDraft({ share, version: draft?.version ?? flag.version });
  const of = (count: number) => Math.round(count * share / 100).toLocaleString();

  async function save() {
    if (!draft) return;
    const answer = await ask({
      title: `${flag.key}: ${now} % → ${share} %`,
      body: isOn(flag)
        ? `Within 5 seconds, about ${of(people.data?.contacts ?? 0)} contacts have the feature.`
        : "The flag is off. The percentage applies once it is on.",
      action: "Change",
      danger: share > now,
      // A higher percentage gives a flag that is on to more people, as turning it on does.
      reason: isOn(flag) && share > now ? "required" : "optional",
    });
    if (!answer) return;
    set.mutate(
      {
        key: flag.key,
        changes: { percentage: share },
        version: draft.version,
        reason: answer.reason,
        foresee: { metadata: { ...flag.metadata, rollout_percentage: share } },
      },
      { onSettled: () => setDraft(undefined) },
    );
  }

  return (
    <Section title="Percentage" about="People who have the feature keep it as the percentage grows.">
      <Stack gap="md">
        <Group gap="md" wrap="nowrap" align="center">
          <Slider
            style={{ flex: 1 }}
            value={share}
            onChange={move}
            min={0}
            max={100}
            step={1}
            disabled={!may}
            label={(value) => `${value} %`}
            thumbLabel={`Percentage of ${flag.key}`}
            marks={[{ value: 0 }, { value: 25 }, { value: 50 }, { value: 75 }, { value: 100 }]}
          />
          <NumberInput
            w={110}
            aria-label="Exact percentage"
            value={share}
            onChange={(value) => typeof value === "number" && move(value)}
            min={0}
            max={100}
            step={1}
            decimalScale={2}
            suffix=" %"
            clampBehavior="strict"
            disabled={!may}
          />
        </Group>
        <Text size="sm" c="dimmed">
          {people.data
            ? `About ${of(people.data.contacts)} of ${people.data.contacts.toLocaleString()} contacts, ${
              of(people.data.recent)
            } of them active in the last 7 days.`
            : "Counting contacts…"}
        </Text>
        {may && draft && (
          <Group gap="xs">
            <Button
              onClick={save}
              loading={set.isPending}
              disabled={share === now && draft.version === flag.version}
            >
              Set {share} %
            </Button>
            <Button variant="default" onClick={() => setDraft(undefined)}>Keep {now} %</Button>
          </Group>
        )}
      </Stack>
    </Section>
  );
}
