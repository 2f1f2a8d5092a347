/** Business numbers, and the sending rate of each. */
import { Alert, Button, Group, Modal, NumberInput, Paper, Stack, Text } from "@mantine/core";
import { type FormEvent, useState } from "react";
import type {
  Account,
  Import,
  WhatsAppNumber,
} from "../../../../supabase/functions/_shared/contract/answers/accounts.ts";
import type {
  NumberCheck,
  NumberCheckFinding,
} from "../../../../supabase/functions/_shared/contract/http/numbers.ts";
import {
  accountAdvice,
  accountEventInWords,
  importInWords,
  limitInWords,
} from "../../../../supabase/functions/_shared/contract/words/accounts.ts";
import { errorMeaning } from "../../../../supabase/functions/_shared/contract/words/provider_errors.ts";
import { callFunction } from "../../data/functions.ts";
import { rpc, useChange, useRpc } from "../../data/query.ts";
import { For } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { State } from "../../ui/State.tsx";
import { Empty, Loaded } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";

const nameOf = ({ id, address }: Pick<WhatsAppNumber, "id" | "address">) => address ? `+${address}` : id;

export function Numbers() {
  const numbers = useRpc("list_numbers", {});
  const imports = useRpc("list_imports", {});
  const [edited, setEdited] = useState<WhatsAppNumber>();
  const [findings, setFindings] = useState<NumberCheckFinding[]>();
  const check = useChange({
    act: () => callFunction<NumberCheck>("wa-router/numbers/check", { method: "POST" }),
    touches: ["list_numbers"],
  });
  const ask = useAsk();
  const remove = useChange({
    act: ({ id }: WhatsAppNumber) => rpc("remove_number", { p_id: id }),
    touches: ["list_numbers"],
    said: (_, number) => `${nameOf(number)} was removed.`,
  });
  return (
    <>
      <Loaded of={numbers}>
        {({ accounts, numbers }) => (
          <>
            {numbers.length === 0 && (
              <Empty icon="chat" title="No numbers yet">
                A number appears here when Meta sends the first webhook for it.
              </Empty>
            )}
            {accounts.filter(({ state }) => state !== "active").map((account) => (
              <Troubled key={account.id} account={account} />
            ))}
            <For role="operator">
              <Group mb="sm">
                <Button
                  size="xs"
                  variant="default"
                  loading={check.isPending}
                  onClick={() =>
                    check.mutate(undefined, { onSuccess: (answer) => setFindings(answer.findings) })}
                >
                  Check with Meta
                </Button>
              </Group>
            </For>
            {findings && <Findings all={findings} />}
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
                    <div style={{ flex: "1 1 240px", minWidth: 0 }}>
                      <Text size="sm" fw={600}>{nameOf(number)}</Text>
                      <Text size="xs" c="dimmed" component="div">
                        {number.id}, since <Time at={number.created_at} />
                      </Text>
                      <Standing number={number} account={accounts.find(({ id }) => id === number.account)} />
                      <Imported of={imports.data?.find(({ number_id }) => number_id === number.id)} />
                    </div>
                    <div style={{ flex: "1 1 240px", maxWidth: 420 }}>
                      <Text size="sm">At most {number.max_per_second} messages per second.</Text>
                      <Text size="sm">
                        Per person: a burst of {number.pair_burst}, then one every {number.pair_seconds} s.
                      </Text>
                    </div>
                    <Group gap="sm" wrap="nowrap">
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
                  </Group>
                </Paper>
              ))}
            </Stack>
          </>
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

/** A number's account, what Meta says of it, and what holds it. */
function Standing({ number, account }: { number: WhatsAppNumber; account: Account | undefined }) {
  const { held_since, held_code, waiting, quality, messaging_limit, name } = number;
  return (
    <>
      <Text size="xs" c="dimmed">
        {[
          name,
          number.account === null ? undefined : `account ${account?.name ?? number.account}`,
          messaging_limit === null ? undefined : `${limitInWords(messaging_limit)} in 24 hours`,
        ].filter(Boolean).join(", ")}
      </Text>
      <Group gap="xs" mt={4}>
        {(quality === "red" || quality === "yellow") && (
          <State tone={quality === "red" ? "bad" : "warn"}>quality {quality}</State>
        )}
        {held_since !== null && <State tone="bad">held</State>}
      </Group>
      {held_since !== null && (
        <Text size="sm" c="red" mt={4}>
          Nothing is sent: {errorMeaning("whatsapp", held_code ?? "")?.what ?? `error ${held_code}`}, noticed
          {" "}
          <Time at={held_since} />. {waiting === 0
            ? "No conversation waits"
            : waiting === 1
            ? "1 conversation waits"
            : `${waiting} conversations wait`}.
        </Text>
      )}
    </>
  );
}

/** How far the import of the app's chats is; nothing for a number that is not used in the app. */
function Imported({ of }: { of: Import | undefined }) {
  if (of === undefined) return null;
  return (
    <Text size="xs" c={of.state === "failed" ? "red" : "dimmed"} mt={4} component="div">
      {importInWords(of)}, <Time at={of.at} />
    </Text>
  );
}

function Troubled({ account }: { account: Account }) {
  const { id, name, state, events: [last] } = account;
  return (
    <Alert color={state === "banned" ? "red" : "orange"} mb="sm" title={`Account ${name ?? id} is ${state}`}>
      {state === "banned"
        ? "Nothing is sent from its numbers."
        : last === undefined
        ? "Meta reported it."
        : `${accountEventInWords({ account: id, account_name: name, ...last })}.`}{" "}
      {accountAdvice(`account.${state}`)}
    </Alert>
  );
}

const TONES = { warning: "orange", problem: "red" } as const;

/** What the check found wrong. */
function Findings({ all }: { all: readonly NumberCheckFinding[] }) {
  const wrong = all.filter(({ level }) => level !== "ok");
  if (wrong.length === 0) {
    return (
      <Alert color="teal" mb="sm" role="status" title="Meta finds nothing wrong">
        Tokens, subscriptions and numbers are fine.
      </Alert>
    );
  }
  return (
    <Stack gap="xs" mb="sm" role="status">
      {wrong.map(({ account, number, level, about, what, advice }, index) => (
        <Alert
          key={index}
          color={TONES[level as keyof typeof TONES]}
          title={`${number === null ? account : `+${number}`}, ${about}: ${what}`}
        >
          {advice}
        </Alert>
      ))}
    </Stack>
  );
}

function Form({ of, close }: { of: WhatsAppNumber; close: () => void }) {
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
    touches: ["list_numbers"],
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
