/** When the clock turns the flag on or off. */
import { Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { type Flag, useSetFlag } from "../../data/flags.ts";
import { For } from "../../session/me.tsx";
import { Section } from "../../ui/Section.tsx";
import { Time } from "../../ui/Time.tsx";
import type { OnConflict } from "./FlagPage.tsx";

/** An instant as a datetime-local input has it, in the reader's zone. */
function local(at: string | undefined): string {
  if (!at) return "";
  const date = new Date(at);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
const instant = (text: string) => text === "" ? null : new Date(text).toISOString();

export function Schedule({ flag, onConflict }: { flag: Flag; onConflict: OnConflict }) {
  const set = useSetFlag(onConflict);
  const now = flag.metadata.schedule ?? {};
  const [draft, setDraft] = useState<{ on: string; off: string; version: number }>();
  const shown = draft ?? { on: local(now.on_at), off: local(now.off_at), version: flag.version };

  function save(event: FormEvent) {
    event.preventDefault();
    if (!draft) return;
    set.mutate({
      key: flag.key,
      changes: { on_at: instant(draft.on), off_at: instant(draft.off) },
      version: draft.version,
      reason: "schedule changed in the panel",
    }, { onSettled: () => setDraft(undefined) });
  }

  return (
    <Section
      title="Schedule"
      about={`Times of your zone, ${Intl.DateTimeFormat().resolvedOptions().timeZone}. The clock looks once a minute.`}
    >
      <Stack gap="sm">
        {(now.on_at || now.off_at)
          ? (
            <Text size="sm" component="div">
              {now.on_at && (
                <>
                  On <Time at={now.on_at} as="date" />.
                </>
              )}
              {now.off_at && (
                <>
                  Off <Time at={now.off_at} as="date" />.
                </>
              )}
            </Text>
          )
          : <Text size="sm" c="dimmed">Nothing is scheduled.</Text>}
        <For role="operator">
          <form onSubmit={save}>
            <Stack gap="sm">
              <Group grow>
                <TextInput
                  type="datetime-local"
                  label="Turn on at"
                  value={shown.on}
                  onChange={(event) => setDraft({ ...shown, on: event.currentTarget.value })}
                />
                <TextInput
                  type="datetime-local"
                  label="Turn off at"
                  value={shown.off}
                  onChange={(event) => setDraft({ ...shown, off: event.currentTarget.value })}
                />
              </Group>
              {draft && (
                <Group gap="xs">
                  <Button size="xs" type="submit" loading={set.isPending}>Save</Button>
                  <Button size="xs" variant="default" onClick={() => setDraft(undefined)}>Cancel</Button>
                </Group>
              )}
            </Stack>
          </form>
        </For>
      </Stack>
    </Section>
  );
}
