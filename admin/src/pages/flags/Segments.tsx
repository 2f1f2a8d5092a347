/** Segments: named lists of people for flags to target. */
import { ActionIcon, Anchor, Button, Group, Text, TextInput } from "@mantine/core";
import type { FormEvent } from "react";
import { Link } from "wouter";
import type { Row } from "../../../../supabase/functions/_shared/contract/sql.ts";
import { readFlagsTargeting } from "../../data/flags.ts";
import { useLivePages } from "../../data/pages.ts";
import { rpc, useChange } from "../../data/query.ts";
import { type Segment, segmentPages, useMemberPages } from "../../data/segments.ts";
import { For, useMay } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { useDraft } from "../../session/draft.ts";
import { Icon } from "../../ui/icons.tsx";
import { Page } from "../../ui/Page.tsx";
import { Person, usePeople } from "../../ui/Person.tsx";
import { Section } from "../../ui/Section.tsx";
import { SearchField } from "../../ui/SearchField.tsx";
import { ListTools } from "../../session/ListTools.tsx";
import { useParameter } from "../../ui/location.ts";
import { Empty, LoadedPages } from "../../ui/states.tsx";
import { VirtualList } from "../../ui/VirtualList.tsx";

const TOUCHES = ["segments", "segment_members"];
export function SegmentList() {
  const [search, setSearch] = useParameter("q");
  const source = segmentPages(search);
  const segments = useLivePages(source);
  return (
    <Page
      title="Segments"
      about="Named lists of people, such as beta testers. A flag that targets a segment is on for its members."
      back={<Anchor component={Link} href="/flags" size="sm">← All flags</Anchor>}
    >
      <For role="operator">
        <NewSegment />
      </For>
      {(search !== "" || (segments.items?.length ?? 0) > 0) && (
        <ListTools name="segments" source={source}>
          <SearchField label="Search segments" value={search} onChange={setSearch} />
        </ListTools>
      )}
      <LoadedPages
        of={segments}
        empty={search
          ? <Empty icon="search" title={`No segments match “${search}”`} />
          : (
            <Empty icon="people" title="No segments yet">
              Create one for the people who get features first.
            </Empty>
          )}
      >
        {(items) => (
          <VirtualList
            label="Segments"
            items={items}
            idOf={({ key }) => key}
            height={170}
            gap={16}
            hasMore={segments.hasMore}
            reading={segments.reading}
            more={segments.more}
          >
            {(segment) => <SegmentCard segment={segment} />}
          </VirtualList>
        )}
      </LoadedPages>
    </Page>
  );
}

function NewSegment() {
  const draft = useDraft("segment:new");
  const [key, setKey] = draft.field("key", "");
  const [description, setDescription] = draft.field("description", "");
  const make = useChange<void, Segment>({
    act: () => rpc("set_segment", { p_key: key, p_description: description, p_expected_version: 0 }),
    touches: TOUCHES,
    said: () => `Segment ${key} was created.`,
  });
  function submit(event: FormEvent) {
    event.preventDefault();
    make.mutate(undefined, { onSuccess: draft.clear });
  }
  return (
    <form onSubmit={submit}>
      <Group align="flex-end" gap="xs">
        <TextInput
          label="Name"
          placeholder="beta"
          required
          value={key}
          onChange={(event) => setKey(event.currentTarget.value)}
        />
        <TextInput
          style={{ flex: 1 }}
          label="Description"
          value={description}
          onChange={(event) => setDescription(event.currentTarget.value)}
        />
        <Button type="submit" loading={make.isPending}>Create segment</Button>
      </Group>
    </form>
  );
}

function SegmentCard({ segment }: { segment: Segment }) {
  const may = useMay("operator");
  const ask = useAsk();
  const [who, setWho] = useDraft(`members:${segment.key}`).field("who", "");
  const members = useMemberPages(segment.key);
  const person = usePeople(members.items?.map(({ subject_id }) => subject_id) ?? []);
  const change = useChange<{ add: boolean; whom: object; reason?: string | null }, Row<"segments">>({
    act: ({ add, whom, reason }) =>
      rpc(add ? "add_segment_members" : "remove_segment_members", {
        p_key: segment.key,
        p_expected_version: segment.version,
        p_reason: reason ?? "changed in the panel",
        ...whom,
      }),
    touches: TOUCHES,
    said: (_, { add }) => add ? `Added to ${segment.key}.` : `Removed from ${segment.key}.`,
    undo: (after, { add, whom }) => async () => {
      await rpc(add ? "remove_segment_members" : "add_segment_members", {
        p_key: segment.key,
        p_expected_version: after.version,
        p_reason: "undone in the panel",
        ...whom,
      });
      return `Undone: the members of ${segment.key} are as before.`;
    },
  });
  const remove = useChange<{ reason: string | null }, boolean>({
    act: ({ reason }) =>
      rpc("remove_segment", { p_key: segment.key, p_expected_version: segment.version, p_reason: reason }),
    touches: TOUCHES,
    said: () => `Segment ${segment.key} was removed.`,
  });
  const text = who.trim();
  const whom = /^\+?[\d\s()./-]{7,20}$/.test(text) ? { p_phones: [text] } : { p_user_ids: [text] };
  async function add(event: FormEvent) {
    event.preventDefault();
    if (text === "") return;
    // A new member gets every flag that is on for the segment. Flags that cannot be read may be among them.
    const targeting = await readFlagsTargeting(segment.key).catch(() => undefined);
    const answer = targeting?.length === 0 ? { reason: null } : await ask({
      title: `Add a person to ${segment.key}?`,
      body: `Within 5 seconds, they also get the flags that are on for ${segment.key}${
        targeting ? `: ${targeting.map(({ key }) => key).join(", ")}` : ""
      }.`,
      action: "Add",
      reason: "required",
    });
    if (!answer) return;
    change.mutate({ add: true, whom, reason: answer.reason }, { onSuccess: () => setWho("") });
  }
  async function drop() {
    const answer = await ask({
      title: `Remove segment ${segment.key}?`,
      body: "Its list of members is deleted. The history still shows who was in it.",
      action: "Remove",
      danger: true,
      type: segment.key,
    });
    if (answer) remove.mutate(answer);
  }
  return (
    <Section
      title={segment.key}
      about={segment.description}
      actions={may && <Button size="xs" variant="subtle" color="red" onClick={drop}>Remove</Button>}
    >
      <LoadedPages of={members} rows={1} empty={<Text size="sm" c="dimmed">No members yet.</Text>}>
        {(items) => (
          <Group gap="md" component="ul" style={{ listStyle: "none", margin: 0, padding: 0 }}>
            {items.map(({ subject_id: id }) => (
              <Group key={id} component="li" gap={4}>
                <Person name={person(id)} />
                {may && (
                  <ActionIcon
                    size="sm"
                    variant="subtle"
                    color="gray"
                    aria-label={`Remove ${person(id)} from ${segment.key}`}
                    onClick={() => change.mutate({ add: false, whom: { p_user_ids: [id] } })}
                  >
                    <Icon name="cross" size={14} />
                  </ActionIcon>
                )}
              </Group>
            ))}
            {members.hasMore && (
              <li>
                <Button size="compact-sm" variant="default" loading={members.reading} onClick={members.more}>
                  Show more members
                </Button>
              </li>
            )}
          </Group>
        )}
      </LoadedPages>
      {may && (
        <form onSubmit={add}>
          <Group gap="xs" align="flex-end" mt="sm">
            <TextInput
              label="Add a person"
              placeholder="Phone number or id"
              value={who}
              onChange={(event) => setWho(event.currentTarget.value)}
            />
            <Button type="submit" variant="default" loading={change.isPending}>Add</Button>
            {members.hasMore && (
              <Button
                variant="default"
                color="red"
                disabled={text === ""}
                onClick={() => change.mutate({ add: false, whom }, { onSuccess: () => setWho("") })}
              >
                Remove
              </Button>
            )}
          </Group>
        </form>
      )}
    </Section>
  );
}
