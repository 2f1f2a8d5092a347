/** Creates a flag, off. */
import { Button, Group, Modal, Stack, Text, Textarea, TextInput } from "@mantine/core";
import type { FormEvent } from "react";
import { useSetFlag } from "../../data/flags.ts";
import { navigate, useParameter } from "../../ui/location.ts";
import { useDraft } from "../../session/draft.ts";
import { Icon } from "../../ui/icons.tsx";
import { Restored } from "../../session/Restored.tsx";

export function NewFlag() {
  const [asked, setAsked] = useParameter("new");
  const opened = asked === "flag";
  const open = () => setAsked("flag");
  const close = () => setAsked("");
  const draft = useDraft("flag:new");
  const [name, setName] = draft.field("name", "");
  const [description, setDescription] = draft.field("description", "");
  const set = useSetFlag();
  const key = name.endsWith(".enabled") ? name : `${name}.enabled`;
  const fault = name !== "" && !/^[a-z0-9][a-z0-9._-]*$/.test(name)
    ? "Use lower-case letters, digits, dots, hyphens and underscores."
    : undefined;

  async function submit(event: FormEvent) {
    event.preventDefault();
    if (fault || name === "") return;
    try {
      await set.mutateAsync({
        key,
        changes: { on: false, percentage: 0, ...(description ? { description } : {}) },
        version: 0,
        reason: "created in the panel",
      });
      draft.clear();
      navigate(`/flags/${key}`);
    } catch {
      // The refusal has been shown. The input stays for another try.
    }
  }

  return (
    <>
      <Button leftSection={<Icon name="plus" size={16} />} onClick={open}>New flag</Button>
      <Modal
        opened={opened}
        onClose={close}
        title="New flag"
        centered
        closeButtonProps={{ "aria-label": "Close" }}
      >
        <form onSubmit={submit}>
          <Stack>
            <Restored draft={draft} />
            <TextInput
              label="Name"
              description="The feature's name in the code."
              placeholder="checkout"
              data-autofocus
              required
              error={fault}
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
            />
            <Textarea
              label="Description"
              description="What changes when the flag is on."
              autosize
              minRows={2}
              value={description}
              onChange={(event) => setDescription(event.currentTarget.value)}
            />
            <Text size="sm" c="dimmed">{name ? key : "The flag"} will be off, at 0 %.</Text>
            <Group justify="flex-end">
              <Button variant="default" onClick={close}>Cancel</Button>
              <Button type="submit" loading={set.isPending}>Create</Button>
            </Group>
          </Stack>
        </form>
      </Modal>
    </>
  );
}
