/** Adds an identity. It is unverified until the code that is mailed to it comes back. */
import { Button, Group, Modal, Select, Stack, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { type FormEvent, useState } from "react";
import { rpc, useChange } from "../../data/query.ts";
import { Icon } from "../../ui/icons.tsx";
import { IDENTITY_TOUCHES } from "./touches.ts";

const EMPTY = { address: "", name: "", user: "", inbox: "", provider: "sendgrid" };

export function AddIdentity() {
  const [opened, { open, close }] = useDisclosure();
  const [typed, setTyped] = useState(EMPTY);
  const [fault, setFault] = useState<string>();
  const add = useChange({
    act: ({ address, name, user, inbox, provider }: typeof EMPTY) =>
      rpc("add_identity", {
        p_from_email: address.trim(),
        p_options: {
          display_name: name.trim() || null,
          user_id: user.trim() || null,
          forward_to: inbox.trim() || null,
          provider: provider === "resend" ? "resend" : "sendgrid",
        },
      }),
    touches: IDENTITY_TOUCHES,
    said: ({ from_email }) => `${from_email} was added. Verify it with a mailed code.`,
    onRefused: ({ message, hint }) => (setFault([message, hint].filter(Boolean).join(". ")), true),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (add.isPending) return;
    setFault(undefined);
    add.mutate(typed, { onSuccess: () => (close(), setTyped(EMPTY)) });
  };
  const field = (name: keyof typeof EMPTY) => ({
    value: typed[name],
    onChange: ({ currentTarget: { value } }: { currentTarget: { value: string } }) =>
      setTyped((before) => ({ ...before, [name]: value })),
  });
  return (
    <>
      <Button leftSection={<Icon name="plus" size={16} />} onClick={open}>Add identity</Button>
      <Modal
        opened={opened}
        onClose={close}
        title="Add identity"
        closeButtonProps={{ "aria-label": "Close" }}
        centered
      >
        <form onSubmit={submit}>
          <Stack>
            <TextInput
              label="Address"
              description="Mail is sent as it. It cannot be changed later."
              type="email"
              required
              data-autofocus
              error={fault}
              {...field("address")}
            />
            <TextInput label="Display name" {...field("name")} />
            <TextInput
              label="User id"
              description="Your own id of the user who sends as it."
              {...field("user")}
            />
            <TextInput
              label="Inbox for answers"
              description="Its owner confirms it with a code of its own."
              type="email"
              {...field("inbox")}
            />
            <Select
              label="Provider"
              allowDeselect={false}
              data={[{ value: "sendgrid", label: "SendGrid" }, { value: "resend", label: "Resend" }]}
              value={typed.provider}
              onChange={(value) => setTyped((before) => ({ ...before, provider: value ?? "sendgrid" }))}
            />
            <Group justify="flex-end">
              <Button variant="default" onClick={close}>Cancel</Button>
              <Button type="submit" loading={add.isPending}>Add</Button>
            </Group>
          </Stack>
        </form>
      </Modal>
    </>
  );
}
