/** The team's canned replies: chosen for a reply, added, changed and removed beside it. */
import { Button, Group, Menu, Modal, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { rpc, useChange, useRpc } from "../../data/query.ts";
import { useAsk } from "../../ui/ask.tsx";

const TOUCHES = ["list_canned_replies"];

/** The text with the person's name in place of `{{name}}`; without a name, nothing stands there. */
export function filled(text: string, name: string | null): string {
  return text.replaceAll("{{name}}", name ?? "").replace(/ +([,.!?])/g, "$1");
}

interface Props {
  /** The person's name. */
  name: string | null;
  /** What the person has typed so far; offered as a new canned reply. */
  typed: string;
  choose: (text: string) => void;
}

export function Canned({ name, typed, choose }: Props) {
  const ask = useAsk();
  const replies = useRpc("list_canned_replies", {}, { every: 60_000 });
  const listed = replies.data ?? [];
  const [editing, setEditing] = useState<{ name: string; text: string }>();
  const remove = useChange({
    act: (name: string) => rpc("remove_canned_reply", { p_name: name }),
    touches: TOUCHES,
    said: (_, name) => `${name} was removed.`,
    undo: (_, name) => {
      const was = listed.find((reply) => reply.name === name);
      return was && (async () => {
        await rpc("set_canned_reply", { p_name: name, p_text: was.text });
        return `Undone: ${name} is there again.`;
      });
    },
  });
  return (
    <>
      <Menu position="top-start" withinPortal>
        <Menu.Target>
          <Button size="compact-xs" variant="default">Canned replies</Button>
        </Menu.Target>
        <Menu.Dropdown mah={320} maw={340} style={{ overflowY: "auto" }}>
          {listed.map((reply) => (
            <Menu.Item key={reply.name} onClick={() => choose(filled(reply.text, name))}>
              <Text size="sm">{reply.name}</Text>
              <Text size="xs" c="dimmed" lineClamp={2}>{reply.text}</Text>
            </Menu.Item>
          ))}
          {listed.length === 0 && <Menu.Label>None yet</Menu.Label>}
          <Menu.Divider />
          <Menu.Item onClick={() => setEditing({ name: "", text: typed })}>New canned reply</Menu.Item>
          {listed.length > 0 && (
            <Menu.Item onClick={() => setEditing({ ...listed[0] })}>Change or remove</Menu.Item>
          )}
        </Menu.Dropdown>
      </Menu>
      <Modal
        opened={editing !== undefined}
        onClose={() => setEditing(undefined)}
        title="Canned reply"
        closeButtonProps={{ "aria-label": "Close" }}
        centered
      >
        {editing && (
          <Form
            begin={editing}
            names={listed.map(({ name }) => name)}
            textOf={(name) => listed.find((reply) => reply.name === name)?.text}
            close={() => setEditing(undefined)}
            remove={async (name) => {
              if (await ask({ title: `Remove ${name}?`, action: "Remove", danger: true, reason: "none" })) {
                remove.mutate(name, { onSuccess: () => setEditing(undefined) });
              }
            }}
          />
        )}
      </Modal>
    </>
  );
}

interface FormProps {
  begin: { name: string; text: string };
  names: string[];
  textOf: (name: string) => string | undefined;
  close: () => void;
  remove: (name: string) => Promise<void>;
}

function Form({ begin, names, textOf, close, remove }: FormProps) {
  const [name, setName] = useState(begin.name);
  const [text, setText] = useState(begin.text);
  const save = useChange({
    act: (_: null) => rpc("set_canned_reply", { p_name: name.trim(), p_text: text.trim() }),
    touches: TOUCHES,
    said: () => `${name.trim()} was saved.`,
    undo: () => {
      const known = name.trim(), was = textOf(known);
      return async () => {
        if (was === undefined) await rpc("remove_canned_reply", { p_name: known });
        else await rpc("set_canned_reply", { p_name: known, p_text: was });
        return `Undone: ${known} is ${was === undefined ? "removed" : "as before"}.`;
      };
    },
  });
  const known = names.includes(name.trim());
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate(null, { onSuccess: close });
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <TextInput
          label="Name"
          description="Lower-case letters, digits, - and _"
          required
          pattern="[a-z0-9][a-z0-9_\-]{0,62}"
          list="canned-names"
          value={name}
          onChange={({ currentTarget: { value } }) => {
            setName(value);
            const found = textOf(value.trim());
            if (found !== undefined) setText(found);
          }}
        />
        <datalist id="canned-names">{names.map((one) => <option key={one} value={one} />)}</datalist>
        <Textarea
          label="Text"
          description="{{name}} stands for the person's name."
          required
          autosize
          minRows={3}
          maxRows={10}
          maxLength={4096}
          value={text}
          onChange={({ currentTarget: { value } }) => setText(value)}
        />
        <Group justify="space-between">
          <Button
            variant="default"
            color="red"
            disabled={!known}
            onClick={() => void remove(name.trim())}
          >
            Remove
          </Button>
          <Group>
            <Button variant="default" onClick={close}>Cancel</Button>
            <Button type="submit" loading={save.isPending}>Save</Button>
          </Group>
        </Group>
      </Stack>
    </form>
  );
}
