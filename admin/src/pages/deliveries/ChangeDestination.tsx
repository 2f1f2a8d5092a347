/** An operator changes a destination's URL, timeout and limits. */
import { Button, Group, Modal, NumberInput, Stack, TextInput } from "@mantine/core";
import { type FormEvent, type ReactNode, useState } from "react";
import { rpc, useChange } from "../../data/query.ts";
import { AddHost } from "../../session/AddHost.tsx";
import { useDraft } from "../../session/draft.ts";
import { EventFields, useEventFields } from "./EventFields.tsx";
import { Restored } from "../../session/Restored.tsx";
import type { DestinationOptions } from "../../../../supabase/functions/_shared/contract/arguments.ts";
import type { DestinationHealth } from "../../../../supabase/functions/_shared/contract/answers/deliveries.ts";

/** What a change or the removal of a destination changes. */
export const DESTINATION_TOUCHES = [
  "destination_health",
  "destinations",
  "list_dead_letters",
  "list_waiting",
  "list_audit",
  "status",
];

export function ChangeDestination({ of }: { of: DestinationHealth }) {
  const [opened, setOpened] = useState(false);
  return (
    <>
      <Button size="xs" variant="default" aria-label={`Change ${of.name}`} onClick={() => setOpened(true)}>
        Change
      </Button>
      <Modal
        opened={opened}
        onClose={() => setOpened(false)}
        title={`Change ${of.name}`}
        closeButtonProps={{ "aria-label": "Close" }}
        centered
      >
        {opened && <Form now={of} close={() => setOpened(false)} />}
      </Modal>
    </>
  );
}

function Form({ now, close }: { now: DestinationHealth; close: () => void }) {
  const draft = useDraft(`destination:${now.id}`, now);
  const of = draft.base;
  const [url, setUrl] = draft.field("url", of.url);
  const [seconds, setSeconds] = draft.field<number | string>("seconds", of.timeout_ms / 1000);
  const [rate, setRate] = draft.field<number | string>("rate", of.rate_per_second ?? "");
  const fields = useEventFields(draft, of);
  const [fault, setFault] = useState<ReactNode>();
  const change = useChange({
    act: (changes: DestinationOptions & { url: string }) =>
      rpc("set_destination", { p_name: of.name, p_version: of.version, p_changes: changes }),
    touches: DESTINATION_TOUCHES,
    said: () => `${of.name} was changed.`,
    onRefused: (refusal, sent) => {
      setFault(
        refusal.code === "GL403"
          ? <AddHost url={sent.url} purpose="forward" added={() => setFault(undefined)} />
          : refusal.code === "GL409"
          ? /routes lead/.test(refusal.message)
            ? "Routes lead to it: keep message.received among its events."
            : "Somebody else changed this destination. Discard your draft to see their version."
          : refusal.message,
      );
      return true;
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setFault(undefined);
    change.mutate({
      url: url.trim(),
      timeout_ms: Math.round(Number(seconds) * 1000),
      rate_per_second: rate === "" ? null : Number(rate),
      ...fields.values,
    }, {
      onSuccess: () => {
        draft.clear();
        close();
      },
    });
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <Restored draft={draft} />
        <TextInput
          label="URL"
          type="url"
          required
          data-autofocus
          error={fault}
          errorProps={{ component: "div" }}
          value={url}
          onChange={({ currentTarget: { value } }) => setUrl(value)}
        />
        <NumberInput
          label="Timeout"
          suffix=" s"
          min={0.1}
          max={30}
          required
          value={seconds}
          onChange={setSeconds}
        />
        <NumberInput
          label="Maximum deliveries per second"
          placeholder="No limit"
          min={0.001}
          max={10000}
          value={rate}
          onChange={setRate}
        />
        <EventFields {...fields} />
        <Group justify="flex-end">
          <Button variant="default" onClick={() => (draft.clear(), close())}>Cancel</Button>
          <Button type="submit" loading={change.isPending} disabled={fields.values.events.length === 0}>
            Save
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
