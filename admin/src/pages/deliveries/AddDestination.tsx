/** Connects a service: its name and address, and the secret that it checks signatures with. */
import { Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { type FormEvent, useState } from "react";
import { rpc, useChange } from "../../data/query.ts";
import { For } from "../../session/me.tsx";
import { Icon } from "../../ui/icons.tsx";
import { SecretModal } from "./SecretModal.tsx";

export function AddDestination() {
  const [opened, { open, close }] = useDisclosure();
  const [name, setName] = useState("");
  const [url, setUrl] = useState("");
  const [secret, setSecret] = useState<string>();
  const [fault, setFault] = useState<string>();
  const add = useChange({
    act: (args: { name: string; url: string }) =>
      rpc("add_destination", { p_name: args.name, p_url: args.url }),
    touches: ["destination_health", "destinations", "status"],
    onRefused: (refusal) => {
      setFault(
        refusal.code === "GL403"
          ? "The allowlist does not have this host yet. An admin adds it in Settings, Allowlist; the address has to begin with https://."
          : refusal.code === "23514"
          ? "A name has lower-case letters, digits, - and _."
          : refusal.message,
      );
      return true;
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setFault(undefined);
    add.mutate({ name: name.trim(), url: url.trim() }, {
      onSuccess: ({ secret }) => {
        close();
        setSecret(secret);
        setName("");
        setUrl("");
      },
    });
  };
  return (
    <For role="operator">
      <Button leftSection={<Icon name="plus" size={16} />} onClick={open}>Add a destination</Button>
      <Modal
        opened={opened}
        onClose={close}
        title="Add a destination"
        closeButtonProps={{ "aria-label": "Call it off" }}
        centered
      >
        <form onSubmit={submit}>
          <Stack>
            <TextInput
              label="Name"
              description="Routes name it: lower-case letters, digits, - and _."
              required
              data-autofocus
              value={name}
              onChange={({ currentTarget: { value } }) => setName(value)}
            />
            <TextInput
              label="Address"
              description="Messages are posted there as JSON, signed by Standard Webhooks."
              type="url"
              placeholder="https://hooks.example.com/whatsapp"
              required
              error={fault}
              value={url}
              onChange={({ currentTarget: { value } }) => setUrl(value)}
            />
            <Group justify="flex-end">
              <Button variant="default" onClick={close}>Cancel</Button>
              <Button type="submit" loading={add.isPending}>Add</Button>
            </Group>
          </Stack>
        </form>
      </Modal>
      <SecretModal secret={secret} title="The destination is connected" close={() => setSecret(undefined)}>
        Give it to the service, which checks the header webhook-signature with it. Nothing goes there until a
        route leads to it.
      </SecretModal>
    </For>
  );
}
