/** Who has a conversation, who looks after it, and the team's notes about it. */
import { ActionIcon, Button, Group, Menu, Paper, Stack, Text, Textarea } from "@mantine/core";
import { type FormEvent, useState } from "react";
import type { Desk as DeskState } from "../../../../supabase/functions/_shared/contract/answers/messages.ts";
import { rpc, useChange, useRpc } from "../../data/query.ts";
import { useDraft } from "../../session/draft.ts";
import { useMe } from "../../session/me.tsx";
import { useNames } from "../../session/team.ts";
import { Icon } from "../../ui/icons.tsx";
import { State } from "../../ui/State.tsx";
import { Time, useNow } from "../../ui/Time.tsx";
import { duration, exact } from "../../ui/times.ts";
import { takenBy } from "./words.ts";

const TOUCHES = [
  "list_desks",
  "list_desk_conversations",
  "list_conversation_work",
  "conversation_messages",
  "list_conversations",
  "search_conversations",
];

/** For how long one can take a conversation over, in minutes; null for the setting's time. */
const TIMES: readonly [minutes: number | null, said: string][] = [
  [null, "For the usual time"],
  [240, "For 4 hours"],
  [1440, "For a day"],
  [10_080, "For a week"],
];

/** Longest note. */
const MAX = 4000;

/** What the team keeps about the conversation; undefined until it has loaded. */
export function useDesk(id: string): DeskState | undefined {
  const desks = useRpc("list_desks", { p_conversation_ids: [id] });
  return desks.isPlaceholderData ? undefined : desks.data?.[0];
}

export function Takeover({ id, desk }: { id: string; desk: DeskState | undefined }) {
  const me = useMe();
  const taken = desk?.taken_over ?? null;
  const names = useNames();
  const now = useNow();
  const take = useChange({
    act: (minutes: number | null) =>
      rpc("take_conversation", { p_conversation_id: id, p_minutes: minutes, p_by: null }),
    touches: TOUCHES,
    said: () => "You have the conversation. Services get none of its messages.",
    undo: () => async () => {
      await rpc("release_conversation", { p_conversation_id: id });
      return "Undone: the services have the conversation again.";
    },
  });
  const release = useChange({
    act: (_: null) => rpc("release_conversation", { p_conversation_id: id }),
    touches: TOUCHES,
    said: () => "The services have the conversation again.",
    // Somebody else's takeover cannot be given back in their name.
    undo: () =>
      taken?.by !== me.id ? undefined : async () => {
        const minutes = Math.max(1, Math.ceil((Date.parse(taken.until) - Date.now()) / 60_000));
        await rpc("take_conversation", { p_conversation_id: id, p_minutes: minutes, p_by: null });
        return "Undone: you have the conversation again.";
      },
  });
  if (taken === null) {
    return (
      <Menu position="bottom-end" withinPortal>
        <Menu.Target>
          <Button size="xs" variant="default" loading={take.isPending} disabled={desk === undefined}>
            Take over
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {TIMES.map(([minutes, said]) => (
            <Menu.Item key={said} onClick={() => take.mutate(minutes)}>{said}</Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
    );
  }
  const left = Math.max(0, (Date.parse(taken.until) - now) / 1000);
  return (
    <Group gap={6}>
      <State tone="info" title={`Until ${exact(new Date(taken.until))}`} asWritten wraps>
        {takenBy(taken.by, names)}, {duration(left)} left
      </State>
      <Button
        size="xs"
        variant="default"
        loading={release.isPending}
        onClick={() => release.mutate(null)}
      >
        Release
      </Button>
    </Group>
  );
}

export function DeskBar({ id, desk }: { id: string; desk: DeskState }) {
  const me = useMe();
  const names = useNames();
  const team = useRpc("list_team", {}, { every: 60_000 });
  const [opened, setOpened] = useState(false);
  const change = useChange({
    act: (changes: { assigned_to?: string | null; unread?: boolean }) =>
      rpc("set_conversation_desk", { p_conversation_id: id, p_changes: changes }),
    touches: TOUCHES,
  });
  const { assigned_to, unread, notes } = desk;
  const who = assigned_to === null ? "nobody" : names(assigned_to);
  const able = team.data?.filter(({ role }) => role === "operator" || role === "admin") ?? [];
  return (
    <>
      <Group gap="xs" mt={6}>
        <Menu position="bottom-start" withinPortal>
          <Menu.Target>
            <Button size="compact-xs" variant="default" loading={change.isPending}>Assigned to {who}</Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => change.mutate({ assigned_to: me.id })}>Assign to me</Menu.Item>
            {able.filter(({ user_id }) => user_id !== me.id).map(({ user_id, email }) => (
              <Menu.Item
                key={user_id}
                onClick={() => change.mutate({ assigned_to: user_id })}
              >
                {email ?? user_id}
              </Menu.Item>
            ))}
            <Menu.Item disabled={assigned_to === null} onClick={() => change.mutate({ assigned_to: null })}>
              Assign to nobody
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
        <Button size="compact-xs" variant="default" onClick={() => change.mutate({ unread: !unread })}>
          {unread ? "Mark as read" : "Mark as unread"}
        </Button>
        <Button
          size="compact-xs"
          variant="default"
          aria-expanded={opened}
          onClick={() => setOpened((before) => !before)}
        >
          {notes.length === 0 ? "Add a note" : notes.length === 1 ? "1 note" : `${notes.length} notes`}
        </Button>
      </Group>
      {opened && <Notes id={id} notes={notes} />}
    </>
  );
}

function Notes({ id, notes }: { id: string; notes: DeskState["notes"] }) {
  const names = useNames();
  const draft = useDraft(`note:${id}`);
  const [text, setText] = draft.field("text", "");
  const add = useChange({
    act: (text: string) => rpc("add_conversation_note", { p_conversation_id: id, p_text: text }),
    touches: ["list_desks"],
  });
  const remove = useChange({
    act: (note: string) => rpc("remove_conversation_note", { p_id: note }),
    touches: ["list_desks"],
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (text.trim() === "" || add.isPending) return;
    add.mutate(text.trim(), { onSuccess: () => draft.clear() });
  };
  return (
    <Stack
      gap={6}
      mt={6}
      mah={220}
      style={{ overflowY: "auto" }}
      tabIndex={0}
      role="group"
      aria-label="Notes"
    >
      {notes.map((note) => (
        <Paper key={note.id} withBorder p={6}>
          <Group justify="space-between" wrap="nowrap" align="flex-start" gap="xs">
            <div style={{ minWidth: 0 }}>
              <Text size="sm" style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>{note.text}</Text>
              <Text size="xs" c="dimmed" component="div">
                {names(note.by)}, <Time at={note.at} />
              </Text>
            </div>
            <ActionIcon
              variant="subtle"
              color="gray"
              size="sm"
              aria-label="Remove the note"
              onClick={() => remove.mutate(note.id)}
            >
              <Icon name="cross" size={12} />
            </ActionIcon>
          </Group>
        </Paper>
      ))}
      <form onSubmit={submit}>
        <Textarea
          aria-label="Note"
          placeholder="A note for the team. The person does not see it."
          autosize
          minRows={1}
          maxRows={4}
          maxLength={MAX}
          value={text}
          onChange={({ currentTarget: { value } }) => setText(value)}
        />
        <Group justify="flex-end" mt={4}>
          <Button type="submit" size="compact-xs" loading={add.isPending} disabled={text.trim() === ""}>
            Add the note
          </Button>
        </Group>
      </form>
    </Stack>
  );
}
