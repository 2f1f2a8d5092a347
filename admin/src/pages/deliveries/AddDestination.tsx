/** Adds a destination: its name and URL, and the secret that it checks signatures with. */
import { Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { type FormEvent, type ReactNode, useState } from "react";
import type { DestinationFormat } from "../../../../supabase/functions/_shared/contract/event_types.ts";
import { newWebhookSecret } from "../../data/ids.ts";
import { rpc, useChange } from "../../data/query.ts";
import { For } from "../../session/me.tsx";
import { AddHost } from "../../session/AddHost.tsx";
import { useDraft } from "../../session/draft.ts";
import { useParameter } from "../../ui/location.ts";
import { Icon } from "../../ui/icons.tsx";
import { Restored } from "../../session/Restored.tsx";
import { EventFields, type EventValues, PLAIN, useEventFields } from "./EventFields.tsx";
import { SecretModal } from "./SecretModal.tsx";

export function AddDestination() {
  const [asked, setAsked] = useParameter("new");
  const opened = asked === "destination";
  const open = () => setAsked("destination");
  const close = () => setAsked("");
  const draft = useDraft("destination:new");
  const [name, setName] = draft.field("name", "");
  const [url, setUrl] = draft.field("url", "");
  const fields = useEventFields(draft, PLAIN);
  const { events } = fields.values;
  const [added, setAdded] = useState<{ secret: string; format: DestinationFormat }>();
  const [fault, setFault] = useState<ReactNode>();
  // It also tells that somebody who misses the answer asks again.
  const [own, setOwn] = useState(newWebhookSecret);
  const add = useChange({
    act: (args: { name: string; url: string; options: EventValues & { secret: string } }) =>
      rpc("add_destination", { p_name: args.name, p_url: args.url, p_options: args.options }),
    touches: ["destination_health", "destinations", "status"],
    onRefused: (refusal, sent) => {
      setFault(
        refusal.code === "GL403"
          ? <AddHost url={sent.url} purpose="forward" added={() => setFault(undefined)} />
          : refusal.code === "23514"
          ? "Use lower-case letters, digits, hyphens and underscores."
          : refusal.message,
      );
      return true;
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setFault(undefined);
    add.mutate({ name: name.trim(), url: url.trim(), options: { ...fields.values, secret: own } }, {
      onSuccess: ({ secret }) => {
        close();
        setAdded({ secret, format: fields.values.format });
        setOwn(newWebhookSecret());
        draft.clear();
      },
    });
  };
  return (
    <For role="operator">
      <Button leftSection={<Icon name="plus" size={16} />} onClick={open}>Add destination</Button>
      <Modal
        opened={opened}
        onClose={close}
        title="Add destination"
        closeButtonProps={{ "aria-label": "Close" }}
        centered
      >
        <form onSubmit={submit}>
          <Stack>
            <Restored draft={draft} />
            <TextInput
              label="Name"
              description="Used in routes. Lower-case letters, digits, hyphens and underscores."
              required
              data-autofocus
              value={name}
              onChange={({ currentTarget: { value } }) => setName(value)}
            />
            <TextInput
              label="URL"
              description="Messages are posted to it as JSON and signed (Standard Webhooks)."
              type="url"
              placeholder="https://hooks.example.com/whatsapp"
              required
              error={fault}
              errorProps={{ component: "div" }}
              value={url}
              onChange={({ currentTarget: { value } }) => setUrl(value)}
            />
            <EventFields {...fields} />
            <Group justify="flex-end">
              <Button variant="default" onClick={close}>Cancel</Button>
              <Button type="submit" loading={add.isPending} disabled={events.length === 0}>Add</Button>
            </Group>
          </Stack>
        </form>
      </Modal>
      <SecretModal secret={added?.secret} title="Destination added" close={() => setAdded(undefined)}>
        {added?.format === "meta"
          ? "Enter this secret, whole with whsec_, where the tool asks for Meta's app secret."
          : "The service verifies the webhook-signature header with this secret."}{" "}
        The destination receives messages once a route uses it.
      </SecretModal>
    </For>
  );
}
