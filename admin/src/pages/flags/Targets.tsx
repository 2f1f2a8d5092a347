/** People and segments that have the flag on, whatever its percentage. */
import { ActionIcon, Badge, Button, Group, Select, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { type FormEvent, useState } from "react";
import { type Flag, isOn, TOUCHED } from "../../data/flags.ts";
import { rpc, useChange } from "../../data/query.ts";
import { useSegmentPages } from "../../data/segments.ts";
import { useDraft } from "../../session/draft.ts";
import { For, useMay } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { Icon } from "../../ui/icons.tsx";
import { Person, usePeople } from "../../ui/Person.tsx";
import { Section } from "../../ui/Section.tsx";

interface Whom {
  p_user_ids?: string[];
  p_phones?: string[];
  p_segments?: string[];
}

/** Number of people shown. A flag may target 20,000, more than a page can show. */
const SHOWN = 100;

/** Matches a phone number as people write it. Anything else is an id. */
const PHONE = /^\+?[\d\s()./-]{7,20}$/;

export function Targets({ flag }: { flag: Flag }) {
  const may = useMay("operator");
  const ask = useAsk();
  const [who, setWho] = useDraft(`targets:${flag.key}`).field("who", "");
  const [segment, setSegment] = useState("");
  const [searched] = useDebouncedValue(segment, 200);
  const segments = useSegmentPages(searched.trim());
  const [fault, setFault] = useState<string>();
  const change = useChange<{ add: boolean; whom: Whom; reason?: string | null }, Flag>({
    act: ({ add, whom, reason }) =>
      rpc(add ? "add_flag_targets" : "remove_flag_targets", {
        p_key: flag.key,
        p_expected_version: flag.version,
        p_reason: reason ?? "targets changed in the panel",
        ...whom,
      }),
    touches: TOUCHED,
    // A phone number of somebody who is a target already makes no new version.
    said: ({ version }) => version === flag.version ? "Nothing to change." : "Targets changed.",
    undo: (after, { add, whom }) =>
      after.version === flag.version ? undefined : async () => {
        await rpc(add ? "remove_flag_targets" : "add_flag_targets", {
          p_key: flag.key,
          p_expected_version: after.version,
          p_reason: "targets undone in the panel",
          ...whom,
        });
        return "Undone: the targets are as before.";
      },
  });
  const ids = flag.metadata.target_user_ids ?? [];
  const targeted = flag.metadata.target_segments ?? [];
  const person = usePeople(ids.slice(0, SHOWN));

  /** Asks first only if the flag is on. While it is off the change reaches nobody, and turning it on asks. */
  async function add(title: string, whom: Whom, then?: () => void) {
    const answer = isOn(flag)
      ? await ask({
        title,
        body: `Within 5 seconds, ${flag.key} is on for them, whatever its percentage.`,
        action: "Add",
        reason: "required",
      })
      : { reason: null };
    if (answer) change.mutate({ add: true, whom, reason: answer.reason }, { onSuccess: then });
  }

  const text = who.trim();
  const whom: Whom = PHONE.test(text) ? { p_phones: [text] } : { p_user_ids: [text] };

  function submit(event: FormEvent) {
    event.preventDefault();
    if (text === "") return;
    if (ids.includes(text)) return setFault("This person is a target already.");
    add(`Turn ${flag.key} on for this person?`, whom, () => setWho(""));
  }

  return (
    <Section title="Targets" about="The flag is on for these people and segments, whatever its percentage.">
      <Stack gap="sm">
        {ids.length + targeted.length === 0 && <Text size="sm" c="dimmed">No targets.</Text>}
        {targeted.length > 0 && (
          <Group gap="xs">
            {targeted.map((key) => (
              <Badge
                key={key}
                variant="light"
                size="lg"
                tt="none"
                rightSection={may && (
                  <ActionIcon
                    size="xs"
                    variant="transparent"
                    color="gray"
                    aria-label={`Remove segment ${key} from the targets`}
                    onClick={() => change.mutate({ add: false, whom: { p_segments: [key] } })}
                  >
                    <Icon name="cross" size={12} />
                  </ActionIcon>
                )}
              >
                {key}
              </Badge>
            ))}
          </Group>
        )}
        {ids.length > 0 && (
          <Stack
            gap={4}
            component="ul"
            style={{ listStyle: "none", margin: 0, padding: 0, maxHeight: 220, overflowY: "auto" }}
            tabIndex={0}
            aria-label="Targets by id"
          >
            {ids.slice(0, SHOWN).map((id) => (
              <Group key={id} component="li" justify="space-between" wrap="nowrap">
                <Person name={person(id)} />
                {may && (
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    aria-label={`Remove ${person(id)} from the targets`}
                    onClick={() => change.mutate({ add: false, whom: { p_user_ids: [id] } })}
                  >
                    <Icon name="cross" size={16} />
                  </ActionIcon>
                )}
              </Group>
            ))}
          </Stack>
        )}
        {ids.length > SHOWN && (
          <Text size="sm" c="dimmed">
            The first {SHOWN} of {ids.length}. Name one of the others below to take them off.
          </Text>
        )}
        <For role="operator">
          <form onSubmit={submit}>
            <Group gap="xs" align="flex-end">
              <TextInput
                style={{ flex: 1 }}
                label="Add a person"
                description="A phone number (stored as the contact's id) or an id."
                placeholder="+1 555 010 0142"
                error={fault}
                value={who}
                onChange={(event) => (setWho(event.currentTarget.value), setFault(undefined))}
              />
              <Button type="submit" variant="default" loading={change.isPending}>Add</Button>
              {ids.length > SHOWN && (
                <Button
                  variant="default"
                  color="red"
                  disabled={text === ""}
                  onClick={() =>
                    change.mutate({ add: false, whom }, { onSuccess: () => setWho("") })}
                >
                  Remove
                </Button>
              )}
            </Group>
          </form>
          <Select
            label="Add a segment"
            placeholder={segments.items?.length === 0 && searched === ""
              ? "No segments yet"
              : "Choose a segment"}
            data={(segments.items ?? []).map(({ key }) =>
              key
            ).filter((key) => !targeted.includes(key))}
            filter={({ options }) => options}
            searchValue={segment}
            onSearchChange={setSegment}
            value={null}
            onChange={(key) => key && add(`Turn ${flag.key} on for segment ${key}?`, { p_segments: [key] })}
            searchable
          />
        </For>
      </Stack>
    </Section>
  );
}
