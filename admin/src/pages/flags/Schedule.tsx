/** When the clock turns the flag on or off. */
import { Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { audience } from "../../../../supabase/functions/_shared/contract/words/flags.ts";
import { type Flag, isOn, type OnConflict, useSetFlag } from "../../data/flags.ts";
import { For } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { Section } from "../../ui/Section.tsx";
import { useUnsaved } from "../../ui/unsaved.ts";
import { Time } from "../../ui/Time.tsx";

/** An instant as the value of a datetime-local input, in the reader's zone. */
function local(at: string | undefined): string {
  if (!at) return "";
  const date = new Date(at);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
const words = (text: string) => new Date(text).toLocaleString();
const instant = (text: string) => text === "" ? null : new Date(text).toISOString();

export function Schedule({ flag, onConflict }: { flag: Flag; onConflict: OnConflict }) {
  const ask = useAsk();
  const set = useSetFlag(onConflict);
  const now = flag.metadata.schedule ?? {};
  const [draft, setDraft] = useState<{ on: string; off: string; version: number }>();
  useUnsaved(draft && !set.isPending ? "the schedule" : undefined);
  const before = { on: local(now.on_at), off: local(now.off_at) };
  const shown = draft ?? { ...before, version: flag.version };

  async function save(event: FormEvent) {
    event.preventDefault();
    if (!draft) return;
    // Turning on sooner or staying on longer reaches more people, so it is confirmed like the switch. The
    // opposite takes one click.
    const sooner = draft.on !== "" && (before.on === "" || draft.on < before.on);
    const longer = before.off !== "" && (draft.off === "" || draft.off > before.off);
    const more = sooner || (longer && (isOn(flag) || draft.on !== ""));
    const answer = more
      ? await ask({
        title: sooner ? `Schedule ${flag.key} to turn on?` : `Keep ${flag.key} on for longer?`,
        body: `${draft.on === "" ? "The flag is on" : `From ${words(draft.on)}, the flag is on`} for ${
          audience({ value: "true", metadata: flag.metadata })
        }, ${draft.off === "" ? "until somebody turns it off" : `until ${words(draft.off)}`}.`,
        action: "Schedule",
        reason: "required",
      })
      : { reason: null };
    if (!answer) return;
    set.mutate({
      key: flag.key,
      changes: { on_at: instant(draft.on), off_at: instant(draft.off) },
      version: draft.version,
      reason: answer.reason ?? "schedule changed in the panel",
    }, { onSettled: () => setDraft(undefined) });
  }

  return (
    <Section
      title="Schedule"
      about={`Times are in your time zone, ${Intl.DateTimeFormat().resolvedOptions().timeZone}. Changes are applied once a minute.`}
    >
      <Stack gap="sm">
        {(now.on_at || now.off_at)
          ? (
            <Text size="sm" component="div">
              {now.on_at && (
                <>
                  Turns on <Time at={now.on_at} as="date" />.{" "}
                </>
              )}
              {now.off_at && (
                <>
                  Turns off <Time at={now.off_at} as="date" />.
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
