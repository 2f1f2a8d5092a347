/** An operator changes a destination's URL, timeout and limits, or removes it. */
import {
  Button,
  Checkbox,
  Group,
  Modal,
  MultiSelect,
  NativeSelect,
  NumberInput,
  Stack,
  TextInput,
} from "@mantine/core";
import {
  type DestinationFormat,
  SUBSCRIPTIONS,
  type WhenTaken,
} from "../../../../supabase/functions/_shared/contract/event_types.ts";
import { type FormEvent, type ReactNode, useState } from "react";
import { rpc, useChange } from "../../data/query.ts";
import { AddHost } from "../../session/AddHost.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { useDraft } from "../../session/draft.ts";
import { Restored } from "../../session/Restored.tsx";
import type { DestinationOptions } from "../../../../supabase/functions/_shared/contract/arguments.ts";
import type { DestinationHealth } from "../../../../supabase/functions/_shared/contract/answers/deliveries.ts";

const TOUCHES = ["destination_health", "destinations", "list_dead_letters", "list_waiting", "status"];

export function ChangeDestination({ of }: { of: DestinationHealth }) {
  const ask = useAsk();
  const [opened, setOpened] = useState(false);
  const remove = useChange({
    act: (reason: string | null) => rpc("remove_destination", { p_name: of.name, p_reason: reason }),
    touches: TOUCHES,
    said: () => `${of.name} was removed.`,
  });
  return (
    <>
      <Button size="xs" variant="default" aria-label={`Change ${of.name}`} onClick={() => setOpened(true)}>
        Change
      </Button>
      <Button
        size="xs"
        variant="default"
        aria-label={`Remove ${of.name}`}
        disabled={of.routes.length > 0}
        title={of.routes.length > 0 ? "Used by routes" : undefined}
        loading={remove.isPending}
        onClick={async () => {
          const drops = of.open + of.dead > 0;
          const answer = await ask({
            title: `Remove ${of.name}?`,
            body: drops
              ? `${of.open} waiting deliveries and ${of.dead} dead letters are dropped. Your reason is recorded.`
              : "Its delivery history is kept. Its secret is deleted.",
            action: "Remove",
            danger: true,
            reason: drops ? "required" : "none",
          });
          if (answer) remove.mutate(answer.reason ?? null);
        }}
      >
        Remove
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
  const [events, setEvents] = draft.field<string[]>("events", of.events);
  const [format, setFormat] = draft.field<DestinationFormat>("format", of.format);
  const [whenTaken, setWhenTaken] = draft.field<WhenTaken>("when_taken", of.when_taken);
  const [fault, setFault] = useState<ReactNode>();
  const change = useChange({
    act: (changes: DestinationOptions & { url: string }) =>
      rpc("set_destination", { p_name: of.name, p_version: of.version, p_changes: changes }),
    touches: TOUCHES,
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
      events,
      format,
      when_taken: whenTaken,
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
        <MultiSelect
          label="Events"
          description="Routes choose its messages; it gets all other events of these types."
          data={[...SUBSCRIPTIONS]}
          value={events}
          onChange={setEvents}
          searchable
          hidePickedOptions
          error={events.length === 0 ? "Choose at least one." : undefined}
        />
        <NativeSelect
          label="Form of the bodies"
          data={[
            { value: "gatelink", label: "Gatelink's events" },
            { value: "meta", label: "Meta's own webhooks" },
          ]}
          value={format}
          onChange={({ currentTarget: { value } }) => setFormat(value as DestinationFormat)}
        />
        <Checkbox
          label="Also gets messages of conversations that a person has taken over, marked"
          checked={whenTaken === "mark"}
          onChange={({ currentTarget: { checked } }) => setWhenTaken(checked ? "mark" : "skip")}
        />
        <Group justify="flex-end">
          <Button variant="default" onClick={() => (draft.clear(), close())}>Cancel</Button>
          <Button type="submit" loading={change.isPending} disabled={events.length === 0}>Save</Button>
        </Group>
      </Stack>
    </form>
  );
}
