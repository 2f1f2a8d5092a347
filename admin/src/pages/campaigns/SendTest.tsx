/** Sends the mail of a campaign to one address. */
import { Button, Checkbox, Modal, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { rpc, useChange } from "../../data/query.ts";

export function SendTest({ id, hasOther }: { id: string; hasOther: boolean }) {
  const [opened, setOpened] = useState(false);
  const [to, setTo] = useState("");
  const [otherwise, setOtherwise] = useState(false);
  const send = useChange<undefined, { message_id: string }>({
    act: () => rpc("test_campaign", { p_id: id, p_to: to.trim(), p_fields: {}, p_otherwise: otherwise }),
    touches: [],
    said: () => `A test is on its way to ${to.trim()}.`,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    send.mutate(undefined, { onSuccess: () => setOpened(false) });
  };
  return (
    <>
      <Button variant="default" onClick={() => setOpened(true)}>Send a test</Button>
      <Modal opened={opened} onClose={() => setOpened(false)} title="Send a test">
        <form onSubmit={submit}>
          <Stack>
            <Text size="sm">
              Placeholders have no values, so what stands after | appears. It is counted nowhere.
            </Text>
            <TextInput
              label="To"
              type="email"
              required
              data-autofocus
              value={to}
              onChange={(event) => setTo(event.currentTarget.value)}
            />
            {hasOther && (
              <Checkbox
                label="What those without the flag get"
                checked={otherwise}
                onChange={(event) => setOtherwise(event.currentTarget.checked)}
              />
            )}
            <Button type="submit" loading={send.isPending} disabled={to.trim() === ""}>Send</Button>
          </Stack>
        </form>
      </Modal>
    </>
  );
}
