/** Mailboxes at Google and Microsoft: connected step by step, and what each needs. */
import { Alert, Button, Code, CopyButton, Group, List, Paper, Stack, Text } from "@mantine/core";
import type { Mailbox } from "../../../../supabase/functions/_shared/contract/answers/mailboxes.ts";
import type {
  MailboxBegun,
  MailboxChecked,
  MailboxDisconnected,
  MailboxSetup,
} from "../../../../supabase/functions/_shared/contract/http/mailboxes.ts";
import { MAIL_PROVIDER_NAMES } from "../../../../supabase/functions/_shared/contract/mail_providers.ts";
import { callFunction } from "../../data/functions.ts";
import { rpc, useChange, useRead, useRpc } from "../../data/query.ts";
import { For } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { Icon } from "../../ui/icons.tsx";
import { useParameter } from "../../ui/location.ts";
import { State } from "../../ui/State.tsx";
import { Empty, Loaded } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { mailboxErrorInWords, mailboxOutcomeInWords } from "./words.ts";

type Provider = Mailbox["provider"];
const PROVIDERS: readonly Provider[] = ["google", "microsoft"];
const TOUCHES = ["list_mailboxes", "list_identities", "attention", "status"];

export function Mailboxes() {
  const mailboxes = useRpc("list_mailboxes", {});
  const setup = useRead(["mailboxes/setup"], () => callFunction<MailboxSetup>("mailboxes/setup"), {
    every: false,
  });
  return (
    <Stack>
      <Outcome />
      <Text size="sm" c="dimmed">
        Accounts of yours that identities send as. Answers come to the account itself, and are read there.
      </Text>
      <For role="admin" otherwise={<Text size="sm">Only admins can connect a mailbox.</Text>}>
        <Loaded of={setup}>{(found) => <Connect setup={found} />}</Loaded>
      </For>
      <Loaded of={mailboxes}>
        {(found) =>
          found.length === 0
            ? (
              <Empty icon="mail" title="No mailbox is connected">
                Whoever owns it signs in at its provider once. Nobody sees a password here.
              </Empty>
            )
            : (
              <Stack component="ul" aria-label="Mailboxes" m={0} p={0} style={{ listStyle: "none" }}>
                {found.map((one) => <Item key={one.id} of={one} />)}
              </Stack>
            )}
      </Loaded>
    </Stack>
  );
}

/** What became of a connection, which the function that the provider led to wrote into the address. */
function Outcome() {
  const [outcome, setOutcome] = useParameter("mailbox");
  const [address] = useParameter("address");
  if (outcome === "") return null;
  const { ok, title, what } = mailboxOutcomeInWords(outcome, address);
  return (
    <Alert
      color={ok ? "teal" : "red"}
      role={ok ? "status" : "alert"}
      title={title}
      icon={<Icon name={ok ? "check" : "warn"} />}
      withCloseButton
      closeButtonLabel="Close"
      onClose={() => setOutcome("")}
    >
      {what}
    </Alert>
  );
}

/** Sends the browser to the provider, which sends it back to this page. */
function useConnect() {
  return useChange({
    act: ({ provider, identity }: { provider: Provider; identity?: string }) => {
      const { origin, pathname } = globalThis.location;
      return callFunction<MailboxBegun>("mailboxes/start", {
        method: "POST",
        body: { provider, identity, return_to: `${origin}${pathname}#/mail?tab=mailboxes` },
      });
    },
    touches: [],
  });
}

function Connect({ setup }: { setup: MailboxSetup }) {
  const connect = useConnect();
  return (
    <Stack gap="sm">
      <Group gap="sm">
        {PROVIDERS.filter((provider) => setup[provider].ready).map((provider) => (
          <Button
            key={provider}
            leftSection={<Icon name="plus" size={16} />}
            loading={connect.isPending}
            onClick={() => connect.mutate({ provider }, { onSuccess: leave })}
          >
            Connect a mailbox at {MAIL_PROVIDER_NAMES[provider]}
          </Button>
        ))}
      </Group>
      {setup.keys.length === 0 && (
        <Alert color="red" title="Tokens cannot be encrypted">
          Set the secret <Code>SEALING_KEYS</Code> of the functions first.
        </Alert>
      )}
      {PROVIDERS.filter((provider) => !setup[provider].ready).map((provider) => (
        <Steps key={provider} provider={provider} setup={setup[provider]} />
      ))}
    </Stack>
  );
}

function leave({ url }: MailboxBegun): void {
  globalThis.location.assign(url);
}

/** What somebody has to do once, before the first mailbox of a provider. */
function Steps({ provider, setup }: { provider: Provider; setup: MailboxSetup[Provider] }) {
  return (
    <Paper withBorder radius="md" p="md" component="section" aria-label={MAIL_PROVIDER_NAMES[provider]}>
      <Text fw={600} mb="xs">Before the first mailbox at {MAIL_PROVIDER_NAMES[provider]}</Text>
      <List type="ordered" size="sm" spacing={4}>
        <List.Item>Register an app there; docs/mailboxes.md says how, in five steps.</List.Item>
        <List.Item>
          Enter this redirect address, to the letter:{" "}
          <Code style={{ overflowWrap: "anywhere" }}>{setup.redirect_uri}</Code>{" "}
          <CopyButton value={setup.redirect_uri}>
            {({ copied, copy }) => (
              <Button size="compact-xs" variant="default" onClick={copy}>{copied ? "Copied" : "Copy"}</Button>
            )}
          </CopyButton>
        </List.Item>
        <List.Item>
          Set the secrets of the functions:
          <List size="sm" withPadding>
            {setup.missing.map((missing) => <List.Item key={missing}>{missing}</List.Item>)}
          </List>
        </List.Item>
      </List>
    </Paper>
  );
}

function Item({ of }: { of: Mailbox }) {
  const { address, provider, from_email, sends, state, state_at, error, takes, reading } = of;
  const about = [
    MAIL_PROVIDER_NAMES[provider],
    sends ? `sends as ${from_email}` : `${from_email} sends another way`,
    takes === "all" ? "all that comes in is taken" : "replies are taken",
  ].join(", ");
  return (
    <Paper withBorder radius="md" p="md" component="li">
      <Stack gap="sm">
        <Group justify="space-between" gap="sm">
          <div style={{ minWidth: 0 }}>
            <Group gap="xs">
              <Text fw={600} style={{ overflowWrap: "anywhere" }}>{address}</Text>
              <State tone={state === "active" ? "good" : "bad"}>
                {state === "active" ? "connected" : "connect again"}
              </State>
            </Group>
            <Text size="sm" c="dimmed">{about}</Text>
            <Text size="sm" c="dimmed">
              {reading?.read_at
                ? (
                  <>
                    Read <Time at={reading.read_at} />
                  </>
                )
                : "Not read yet"}
            </Text>
          </div>
          <Actions of={of} />
        </Group>
        {state === "reauthorise" && (
          <Alert color="red" p="sm" title={`${MAIL_PROVIDER_NAMES[provider]} ended the access`}>
            <Text size="sm">
              {mailboxErrorInWords(error)} Since <Time at={state_at} />{" "}
              its mail waits, and answers are not read. Nothing is lost: connect it again.
            </Text>
          </Alert>
        )}
        {state === "active" && reading?.error && (
          <Alert color="yellow" p="sm" title="Answers could not be read the last time">
            <Text size="sm" style={{ overflowWrap: "anywhere" }}>{reading.error}. It is tried again.</Text>
          </Alert>
        )}
      </Stack>
    </Paper>
  );
}

function Actions({ of: { id, address, identity, provider, state, takes } }: { of: Mailbox }) {
  const ask = useAsk();
  const connect = useConnect();
  const check = useChange({
    act: () => callFunction<MailboxChecked>(`mailboxes/${id}/check`, { method: "POST" }),
    touches: TOUCHES,
    said: ({ ok, code, detail }) =>
      ok ? `${address} lets Gatelink in.` : `${address} does not answer: ${code}. ${detail}`,
  });
  const set = useChange({
    act: (takes: Mailbox["takes"]) => rpc("set_mailbox", { p_id: id, p_takes: takes }),
    touches: TOUCHES,
    said: ({ takes }) =>
      takes === "all"
        ? `All that comes into ${address} is taken.`
        : `Only replies are taken from ${address}.`,
  });
  const disconnect = useChange({
    act: () => callFunction<MailboxDisconnected>(`mailboxes/${id}`, { method: "DELETE" }),
    touches: TOUCHES,
    said: ({ revoked }) =>
      revoked
        ? `${address} is disconnected.`
        : `${address} is disconnected here. Its owner ends the access in the account's own settings.`,
  });
  return (
    <Group gap="xs">
      {state === "active" && (
        <For role="operator">
          <Button
            size="xs"
            variant="default"
            loading={check.isPending}
            onClick={() => check.mutate(undefined)}
          >
            Check
          </Button>
        </For>
      )}
      <For role="admin">
        {state === "reauthorise" && (
          <Button
            size="xs"
            loading={connect.isPending}
            onClick={() => connect.mutate({ provider, identity }, { onSuccess: leave })}
          >
            Connect again
          </Button>
        )}
        <Button
          size="xs"
          variant="default"
          loading={set.isPending}
          onClick={async () => {
            if (takes === "all") return set.mutate("replies");
            const answer = await ask({
              title: `Take all that comes into ${address}?`,
              body: "Each new mail in its inbox is kept and routed from now on, private ones too.",
              action: "Take all",
              reason: "none",
            });
            if (answer) set.mutate("all");
          }}
        >
          {takes === "all" ? "Take replies only" : "Take all mail"}
        </Button>
        <Button
          size="xs"
          variant="subtle"
          color="red"
          loading={disconnect.isPending}
          onClick={async () => {
            const answer = await ask({
              title: `Disconnect ${address}?`,
              body: "Its tokens are forgotten. Mail of its identity waits until it sends another way.",
              action: "Disconnect",
              danger: true,
              reason: "none",
            });
            if (answer) disconnect.mutate(undefined);
          }}
        >
          Disconnect
        </Button>
      </For>
    </Group>
  );
}
