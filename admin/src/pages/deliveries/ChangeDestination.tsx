/** An operator changes where a destination is, how long it may take and how much it gets, or removes it. */
import { Button, Group, Modal, NumberInput, Stack, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { rpc, useChange } from "../../data/query.ts";
import { useAsk } from "../../ui/ask.tsx";
import type { DestinationHealth } from "../../../../supabase/functions/_shared/contract/answers/deliveries.ts";

const TOUCHES = ["destination_health", "destinations", "list_dead_letters", "list_waiting", "status"];

export function ChangeDestination({ of }: { of: DestinationHealth }) {
  const ask = useAsk();
  const [opened, setOpened] = useState(false);
  const [url, setUrl] = useState(of.url);
  const [seconds, setSeconds] = useState<number | string>(of.timeout_ms / 1000);
  const [rate, setRate] = useState<number | string>(of.rate_per_second ?? "");
  const [fault, setFault] = useState<string>();
  const change = useChange({
    act: (changes: Record<string, unknown>) =>
      rpc("set_destination", { p_name: of.name, p_version: of.version, p_changes: changes }),
    touches: TOUCHES,
    said: () => `${of.name} is changed.`,
    onRefused: (refusal) => {
      setFault(
        refusal.code === "GL403"
          ? "The allowlist does not have this host yet. An admin adds it in Settings, Allowlist; the address has to begin with https://."
          : refusal.code === "GL409"
          ? "Somebody else changed it meanwhile. Close this and look again."
          : refusal.message,
      );
      return true;
    },
  });
  const remove = useChange({
    act: (reason: string | null) => rpc("remove_destination", { p_name: of.name, p_reason: reason }),
    touches: TOUCHES,
    said: () => `${of.name} is removed.`,
  });
  const open = () => {
    setUrl(of.url);
    setSeconds(of.timeout_ms / 1000);
    setRate(of.rate_per_second ?? "");
    setFault(undefined);
    setOpened(true);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setFault(undefined);
    change.mutate({
      url: url.trim(),
      timeout_ms: Math.round(Number(seconds) * 1000),
      rate_per_second: rate === "" ? null : Number(rate),
    }, { onSuccess: () => setOpened(false) });
  };
  return (
    <>
      <Button size="xs" variant="default" aria-label={`Change ${of.name}`} onClick={open}>Change</Button>
      <Button
        size="xs"
        variant="default"
        aria-label={`Remove ${of.name}`}
        disabled={of.routes.length > 0}
        title={of.routes.length > 0 ? "Routes lead to it" : undefined}
        loading={remove.isPending}
        onClick={async () => {
          const drops = of.open + of.dead > 0;
          const answer = await ask({
            title: `Remove ${of.name}?`,
            body: drops
              ? `${of.open} deliveries that wait and ${of.dead} dead letters are dropped with it, with your reason.`
              : "What was delivered to it stays on record. Its secret is gone.",
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
        closeButtonProps={{ "aria-label": "Call it off" }}
        centered
      >
        <form onSubmit={submit}>
          <Stack>
            <TextInput
              label="Address"
              type="url"
              required
              data-autofocus
              error={fault}
              value={url}
              onChange={({ currentTarget: { value } }) => setUrl(value)}
            />
            <NumberInput
              label="Longest wait for an answer"
              suffix=" s"
              min={0.1}
              max={30}
              required
              value={seconds}
              onChange={setSeconds}
            />
            <NumberInput
              label="Deliveries a second at most"
              placeholder="No limit"
              min={0.001}
              max={10000}
              value={rate}
              onChange={setRate}
            />
            <Group justify="flex-end">
              <Button variant="default" onClick={() => setOpened(false)}>Cancel</Button>
              <Button type="submit" loading={change.isPending}>Change</Button>
            </Group>
          </Stack>
        </form>
      </Modal>
    </>
  );
}
