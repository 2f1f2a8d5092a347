/** An operator resends what a destination received in a period. */
import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import type { Result } from "../../../../supabase/functions/_shared/contract/sql.ts";
import { newId } from "../../data/ids.ts";
import { rpc, useChange } from "../../data/query.ts";

export function Resend({ name }: { name: string }) {
  const [opened, setOpened] = useState(false);
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  // Of one resend, however often it is asked for; the next one has another.
  const [key, setKey] = useState(newId);
  const resend = useChange({
    act: async () => {
      let resent = 0;
      for (let after: string | null = null, first = true; first || after !== null; first = false) {
        const page: Result<"resend_deliveries"> = await rpc("resend_deliveries", {
          p_destination: name,
          p_from: new Date(from).toISOString(),
          p_to: new Date(to).toISOString(),
          p_after: after,
          p_key: key,
        });
        resent += page.resent;
        after = page.after;
      }
      return resent;
    },
    touches: ["destination_health", "list_waiting", "message_story", "conversation_messages", "status"],
    said: (n) => n === 1 ? "One delivery is being resent." : `${n} deliveries are being resent.`,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    resend.mutate(undefined, { onSuccess: () => (setOpened(false), setKey(newId())) });
  };
  return (
    <>
      <Button
        size="xs"
        variant="default"
        aria-label={`Resend to ${name}`}
        onClick={() => setOpened(true)}
      >
        Resend
      </Button>
      <Modal
        opened={opened}
        onClose={() => setOpened(false)}
        title={`Resend to ${name}`}
        closeButtonProps={{ "aria-label": "Close" }}
        centered
      >
        <form onSubmit={submit}>
          <Stack>
            <Text size="sm">
              Everything that was delivered in this period is delivered again, in order, with the same
              webhook-id and marked as a resend.
            </Text>
            <TextInput
              label="From"
              type="datetime-local"
              required
              value={from}
              onChange={({ currentTarget: { value } }) => setFrom(value)}
            />
            <TextInput
              label="To (exclusive)"
              type="datetime-local"
              required
              value={to}
              error={from && to && from >= to ? "Must be after the start." : undefined}
              onChange={({ currentTarget: { value } }) => setTo(value)}
            />
            <Group justify="flex-end">
              <Button variant="default" onClick={() => setOpened(false)}>Cancel</Button>
              <Button type="submit" disabled={!from || !to || from >= to} loading={resend.isPending}>
                Resend
              </Button>
            </Group>
          </Stack>
        </form>
      </Modal>
    </>
  );
}
