/** An operator has what a destination got in a stretch of time sent to it again. */
import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import type { Result } from "../../../../supabase/functions/_shared/contract/sql.ts";
import { rpc, useChange } from "../../data/query.ts";

export function Resend({ name }: { name: string }) {
  const [opened, setOpened] = useState(false);
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const resend = useChange({
    act: async () => {
      let resent = 0;
      for (let after: string | null = null, first = true; first || after !== null; first = false) {
        const page: Result<"resend_deliveries"> = await rpc("resend_deliveries", {
          p_destination: name,
          p_from: new Date(from).toISOString(),
          p_to: new Date(to).toISOString(),
          p_after: after,
        });
        resent += page.resent;
        after = page.after;
      }
      return resent;
    },
    touches: ["destination_health", "list_waiting", "message_story", "conversation_messages", "status"],
    said: (n) => n === 1 ? "One delivery is sent again." : `${n} deliveries are sent again.`,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    resend.mutate(undefined, { onSuccess: () => setOpened(false) });
  };
  return (
    <>
      <Button
        size="xs"
        variant="default"
        aria-label={`Send again to ${name}`}
        onClick={() => setOpened(true)}
      >
        Send again
      </Button>
      <Modal
        opened={opened}
        onClose={() => setOpened(false)}
        title={`Send again to ${name}`}
        closeButtonProps={{ "aria-label": "Call it off" }}
        centered
      >
        <form onSubmit={submit}>
          <Stack>
            <Text size="sm">
              What was delivered to it in this time comes once more, in order, under the same webhook-id and
              marked as sent again.
            </Text>
            <TextInput
              label="From"
              type="datetime-local"
              required
              value={from}
              onChange={({ currentTarget: { value } }) => setFrom(value)}
            />
            <TextInput
              label="To, not included"
              type="datetime-local"
              required
              value={to}
              error={from && to && from >= to ? "It is after the beginning." : undefined}
              onChange={({ currentTarget: { value } }) => setTo(value)}
            />
            <Group justify="flex-end">
              <Button variant="default" onClick={() => setOpened(false)}>Cancel</Button>
              <Button type="submit" disabled={!from || !to || from >= to} loading={resend.isPending}>
                Send again
              </Button>
            </Group>
          </Stack>
        </form>
      </Modal>
    </>
  );
}
