/** An operator sends a signed test event to a destination, and reads the response. */
import { Alert, Button, Code, Group, Modal, Stack, Text } from "@mantine/core";
import { useState } from "react";
import type { Tested } from "../../../../supabase/functions/_shared/contract/http/destinations.ts";
import { callFunction } from "../../data/functions.ts";
import { useChange } from "../../data/query.ts";
import { Icon } from "../../ui/icons.tsx";
import { State } from "../../ui/State.tsx";

export function TestDestination({ name }: { name: string }) {
  const [tested, setTested] = useState<Tested>();
  const [opened, setOpened] = useState(false);
  const test = useChange({
    act: () => callFunction<Tested>(`wa-router/destinations/${name}/test`, { method: "POST" }),
    touches: [],
  });
  const run = async () => {
    const result = await test.mutateAsync(undefined).catch(() => undefined);
    if (!result) return;
    setTested(result);
    setOpened(true);
  };
  return (
    <>
      <Button
        size="xs"
        variant="default"
        leftSection={<Icon name="pulse" size={16} />}
        aria-label={`Test ${name}`}
        loading={test.isPending}
        onClick={run}
      >
        Test
      </Button>
      <Modal
        opened={opened}
        onClose={() => setOpened(false)}
        title={`Test of ${name}`}
        closeButtonProps={{ "aria-label": "Close" }}
        centered
      >
        {tested && (
          <Stack>
            <Outcome of={tested} />
            <Group justify="flex-end">
              <Button variant="default" loading={test.isPending} onClick={run}>Test again</Button>
              <Button onClick={() => setOpened(false)}>Done</Button>
            </Group>
          </Stack>
        )}
      </Modal>
    </>
  );
}

function Outcome({ of }: { of: Tested }) {
  return (
    <>
      <Group gap="xs">
        <State tone={of.ok ? "good" : "bad"}>{of.ok ? "delivered" : "failed"}</State>
        <Text size="sm">
          {of.status === undefined ? "No answer" : `Answered ${of.status}`} after {of.latency_ms} ms
        </Text>
      </Group>
      {!of.ok && (
        <Alert color="red" p="xs" title={of.advice}>
          {[of.error, of.detail].filter(Boolean).join(": ")}
        </Alert>
      )}
      {of.replies_ignored && (
        <Alert color="yellow" p="xs" title="Its replies would be ignored">{of.advice}</Alert>
      )}
      {of.answer && (
        <div>
          <Text size="xs" c="dimmed" mb={4}>Start of the response</Text>
          <Code block mah="40vh" tabIndex={0} style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
            {of.answer}
          </Code>
        </div>
      )}
      <Text size="xs" c="dimmed" style={{ overflowWrap: "anywhere" }}>
        This was a signed event of type gatelink.test, sent like a message. Its webhook-id is {of.webhook_id}.
      </Text>
    </>
  );
}
