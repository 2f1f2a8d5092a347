/** Business numbers, and the sending rate of each. */
import { Button, Group, Modal, NumberInput, Paper, Stack, Text } from "@mantine/core";
import { type FormEvent, useState } from "react";
import type { Row } from "../../../../supabase/functions/_shared/contract/sql.ts";
import { MAX_ROWS, rpc, useChange, useRows } from "../../data/query.ts";
import { For } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { Empty, Loaded } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";

type WaNumber = Row<"wa_numbers">;

const nameOf = ({ id, display_number }: WaNumber) => display_number ? `+${display_number}` : id;

export function Numbers() {
  const numbers = useRows(
    ["wa_numbers", "pace"],
    (db) => db.from("wa_numbers").select("*").order("id").limit(MAX_ROWS),
  );
  const [edited, setEdited] = useState<WaNumber>();
  const ask = useAsk();
  const remove = useChange({
    act: ({ id }: WaNumber) => rpc("remove_number", { p_id: id }),
    touches: ["wa_numbers"],
    said: (_, number) => `${nameOf(number)} was removed.`,
  });
  return (
    <>
      <Loaded
        of={numbers}
        empty={
          <Empty icon="chat" title="No numbers yet">
            A number appears here when Meta sends the first webhook for it.
          </Empty>
        }
      >
        {(numbers) => (
          <Stack
            gap="sm"
            component="ul"
            p={0}
            m={0}
            style={{ listStyle: "none" }}
            aria-label="Business numbers"
          >
            {numbers.map((number) => (
              <Paper key={number.id} component="li" withBorder p="sm">
                <Group justify="space-between" gap="sm">
                  <div>
                    <Text size="sm" fw={600}>{nameOf(number)}</Text>
                    <Text size="xs" c="dimmed" component="div">
                      {number.id}, since <Time at={number.created_at} />
                    </Text>
                  </div>
                  <div style={{ flex: "1 1 240px", maxWidth: 420 }}>
                    <Text size="sm">At most {number.max_per_second} messages per second.</Text>
                    <Text size="sm">
                      Per person: a burst of {number.pair_burst}, then one every {number.pair_seconds} s.
                    </Text>
                  </div>
                  <For role="operator">
                    <Button
                      size="xs"
                      variant="default"
                      aria-label={`Change ${nameOf(number)}`}
                      onClick={() => setEdited(number)}
                    >
                      Change
                    </Button>
                  </For>
                  <For role="admin">
                    <Button
                      size="xs"
                      variant="default"
                      aria-label={`Remove ${nameOf(number)}`}
                      onClick={async () => {
                        const answer = await ask({
                          title: `Remove ${nameOf(number)}?`,
                          body:
                            "Nothing is sent from it any more. Its conversations are kept. Its next webhook adds it again.",
                          action: "Remove",
                          danger: true,
                          reason: "none",
                        });
                        if (answer) remove.mutate(number);
                      }}
                    >
                      Remove
                    </Button>
                  </For>
                </Group>
              </Paper>
            ))}
          </Stack>
        )}
      </Loaded>
      <Modal
        opened={edited !== undefined}
        onClose={() => setEdited(undefined)}
        title={edited && `Sending limits of ${nameOf(edited)}`}
        closeButtonProps={{ "aria-label": "Close" }}
        centered
      >
        {edited && <Form key={edited.id} of={edited} close={() => setEdited(undefined)} />}
      </Modal>
    </>
  );
}

function Form({ of, close }: { of: WaNumber; close: () => void }) {
  const [most, setMost] = useState<number | string>(of.max_per_second);
  const [seconds, setSeconds] = useState<number | string>(of.pair_seconds);
  const [burst, setBurst] = useState<number | string>(of.pair_burst);
  const save = useChange({
    act: () =>
      rpc("set_number_pace", {
        p_id: of.id,
        p_max_per_second: Number(most),
        p_pair_seconds: Number(seconds),
        p_pair_burst: Number(burst),
      }),
    touches: ["wa_numbers"],
    said: () => "Saved.",
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate(undefined, { onSuccess: close });
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        <NumberInput
          label="Messages per second"
          description="Meta's limit is 80, 1,000 after an upgrade, or 20 for a number that also uses the WhatsApp Business app."
          required
          min={1}
          max={1000}
          allowDecimal={false}
          value={most}
          onChange={setMost}
        />
        <NumberInput
          label="Seconds between messages to one person"
          required
          min={0.1}
          step={1}
          value={seconds}
          onChange={setSeconds}
        />
        <NumberInput
          label="Burst of messages to one person"
          required
          min={1}
          allowDecimal={false}
          value={burst}
          onChange={setBurst}
        />
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>Cancel</Button>
          <Button type="submit" loading={save.isPending}>Save</Button>
        </Group>
      </Stack>
    </form>
  );
}
