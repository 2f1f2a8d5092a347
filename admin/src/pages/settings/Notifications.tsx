/** Who is notified of rollouts and of failures. */
import { EVENTS } from "../../../../supabase/functions/_shared/contract/words/notifications.ts";
import {
  Button,
  Group,
  Modal,
  MultiSelect,
  SegmentedControl,
  Stack,
  Table,
  Text,
  TextInput,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { type FormEvent, type ReactNode, useState } from "react";
import type { Row } from "../../../../supabase/functions/_shared/contract/sql.ts";
import { MAX_ROWS, rpc, useChange, useRows } from "../../data/query.ts";
import { useDraft } from "../../session/draft.ts";
import { For } from "../../session/me.tsx";
import { AddHost } from "../../session/AddHost.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { Icon } from "../../ui/icons.tsx";
import { State } from "../../ui/State.tsx";
import { Empty, Loaded } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { SecretModal } from "../deliveries/SecretModal.tsx";

type Endpoint = Pick<Row<"notification_endpoints">, "id" | "name" | "kind" | "host" | "events" | "state">;

const USUAL = EVENTS.filter((event) => event !== "paused" && event !== "resumed");
const KINDS = { slack: "Slack", webhook: "webhook", email: "email", pagerduty: "PagerDuty" } as const;
/** The field for the address, where it is no URL. */
const ADDRESS: Readonly<Record<string, { label: string; type: string; placeholder?: string }>> = {
  email: { label: "Address", type: "email", placeholder: "team@example.com" },
  pagerduty: { label: "Integration key", type: "text", placeholder: "Events API v2" },
};
const TOUCHES = ["notification_endpoints"];
const eventWords = (event: string) => event.replace("_", " ");

export function Notifications() {
  const endpoints = useRows(
    ["notification_endpoints"],
    (db) =>
      db.from("notification_endpoints").select("id,name,kind,host,events,state").order("name").limit(
        MAX_ROWS,
      ),
  );
  return (
    <Stack>
      <Group justify="space-between">
        <Text size="sm" c="dimmed">
          Sent when a rollout changes or a component fails, as signed webhooks, in Slack's format, by mail, or
          to PagerDuty.
        </Text>
        <For role="operator">
          <Add />
        </For>
      </Group>
      <Loaded
        of={endpoints}
        empty={
          <Empty icon="people" title="No notification endpoints yet">
            Add one before you start a rollout, so that somebody is notified when the guard pages or rolls
            back.
          </Empty>
        }
      >
        {(endpoints) => (
          <Table.ScrollContainer minWidth={480}>
            <Table aria-label="Notification endpoints">
              <Table.Tbody>
                {endpoints.map((endpoint) => <Row key={endpoint.id} of={endpoint} />)}
              </Table.Tbody>
            </Table>
          </Table.ScrollContainer>
        )}
      </Loaded>
    </Stack>
  );
}

function Row({ of }: { of: Endpoint }) {
  const ask = useAsk();
  const setState = useChange({
    act: (state: Endpoint["state"]) => rpc("set_notification_state", { p_name: of.name, p_state: state }),
    touches: TOUCHES,
    foresee: (state) => [{
      key: TOUCHES,
      data: (before) => (before as Endpoint[]).map((one) => one.id === of.id ? { ...one, state } : one),
    }],
    said: (_, state) => state === "paused" ? `${of.name} is paused.` : `${of.name} was resumed.`,
    undo: (_, state) => async () => {
      await rpc("set_notification_state", {
        p_name: of.name,
        p_state: state === "paused" ? "active" : "paused",
      });
      return `Undone: ${of.name} is as before.`;
    },
  });
  const [test, setTest] = useState<string>();
  const send = useChange({
    act: () => rpc("test_notification_endpoint", { p_name: of.name }),
    touches: ["notifications"],
  });
  const remove = useChange({
    act: () => rpc("remove_notification_endpoint", { p_name: of.name }),
    touches: TOUCHES,
    said: () => `${of.name} was removed.`,
  });
  return (
    <Table.Tr>
      <Table.Td>
        <Group gap="xs">
          <Text size="sm" fw={600}>{of.name}</Text>
          <State size="sm" tone="plain" asWritten>{KINDS[of.kind]}</State>
          {of.state === "paused" && <State size="sm" tone="warn">paused</State>}
        </Group>
        <Text size="xs" c="dimmed">{of.host}: {of.events.map(eventWords).join(", ")}</Text>
        <Latest endpoint={of.id} test={test} />
      </Table.Td>
      <Table.Td w={250}>
        <For role="operator">
          <Group gap="xs" justify="flex-end" wrap="nowrap">
            <Button
              size="xs"
              variant="default"
              loading={send.isPending}
              aria-label={`Test ${of.name}`}
              onClick={() => send.mutate(undefined, { onSuccess: ({ id }) => setTest(id) })}
            >
              Test
            </Button>
            <Button
              size="xs"
              variant="default"
              aria-label={`${of.state === "active" ? "Pause" : "Resume"} ${of.name}`}
              onClick={() => setState.mutate(of.state === "active" ? "paused" : "active")}
            >
              {of.state === "active" ? "Pause" : "Resume"}
            </Button>
            <Button
              size="xs"
              variant="default"
              c="red"
              aria-label={`Remove ${of.name}`}
              onClick={async () => {
                const answer = await ask({
                  title: `Remove ${of.name}?`,
                  body: "Its address is deleted, and waiting notifications are not sent.",
                  action: "Remove",
                  danger: true,
                  reason: "none",
                });
                if (answer) remove.mutate(undefined);
              }}
            >
              Remove
            </Button>
          </Group>
        </For>
      </Table.Td>
    </Table.Tr>
  );
}

const SAID: Readonly<Record<string, string>> = {
  pending: "waiting to be sent",
  leased: "being sent",
  delivered: "delivered",
  dead: "not delivered",
};

/** What became of a test, or of the latest notification. */
function Latest({ endpoint, test }: { endpoint: string; test: string | undefined }) {
  const { data } = useRows(
    ["notifications", endpoint],
    (db) =>
      db.from("notifications").select("id,state,attempt,last_error,created_at").eq("endpoint_id", endpoint)
        .order("id", { ascending: false }).limit(1),
    { every: test === undefined ? 30_000 : 2_000 },
  );
  const latest = data?.[0];
  if (!latest) return null;
  const { id, state, last_error, created_at } = latest;
  return (
    <Text size="xs" c={last_error ? "var(--bad)" : "dimmed"} component="div" role="status">
      {id === test ? "Test" : "Latest notification"}, <Time at={created_at} />: {SAID[state] ?? state}
      {state === "pending" && !last_error && " within 30 seconds"}
      {last_error && ` (${last_error})`}
    </Text>
  );
}

function Add() {
  const [opened, { open, close }] = useDisclosure();
  const draft = useDraft("notifications:new");
  const [name, setName] = draft.field("name", "");
  const [kind, setKind] = draft.field("kind", "slack");
  // Whoever has the address of a Slack webhook can post there: it is stored nowhere in the browser.
  const [url, setUrl] = useState("");
  const [events, setEvents] = draft.field("events", USUAL);
  const [fault, setFault] = useState<ReactNode>();
  const [secret, setSecret] = useState<string>();
  const add = useChange({
    act: () =>
      rpc("add_notification_endpoint", {
        p_name: name,
        p_kind: kind,
        p_url: url,
        p_events: events,
      }),
    touches: TOUCHES,
    onRefused: ({ code, message }) => {
      setFault(
        code === "GL403"
          ? <AddHost url={url} purpose="forward" added={() => setFault(undefined)} />
          : code === "23514"
          ? "Use lower-case letters, digits, hyphens and underscores."
          : code === "GL422"
          ? kind === "pagerduty" ? message : "This is not an e-mail address."
          : message,
      );
      return true;
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setFault(undefined);
    add.mutate(undefined, {
      onSuccess: ({ secret }) => {
        close();
        setSecret(secret);
        draft.clear();
        setUrl("");
      },
    });
  };
  return (
    <>
      <Button leftSection={<Icon name="plus" size={16} />} onClick={open}>Add endpoint</Button>
      <Modal
        opened={opened}
        onClose={close}
        title="Add notification endpoint"
        closeButtonProps={{ "aria-label": "Close" }}
        centered
      >
        <form onSubmit={submit}>
          <Stack>
            <TextInput
              label="Name"
              required
              data-autofocus
              value={name}
              onChange={({ currentTarget: { value } }) => setName(value)}
            />
            <SegmentedControl
              aria-label="Kind"
              data={[
                { value: "slack", label: "Slack" },
                { value: "webhook", label: "Webhook" },
                { value: "email", label: "Email" },
                { value: "pagerduty", label: "PagerDuty" },
              ]}
              value={kind}
              onChange={setKind}
            />
            <TextInput
              label={ADDRESS[kind]?.label ?? "URL"}
              type={ADDRESS[kind]?.type ?? "url"}
              autoComplete="off"
              required
              placeholder={ADDRESS[kind]?.placeholder ?? "https://hooks.example.com/…"}
              error={fault}
              errorProps={{ component: "div" }}
              value={url}
              onChange={({ currentTarget: { value } }) => setUrl(value)}
            />
            <MultiSelect
              label="Events"
              data={EVENTS.map((value) => ({ value, label: eventWords(value) }))}
              value={events}
              onChange={setEvents}
            />
            <Group justify="flex-end">
              <Button variant="default" onClick={close}>Cancel</Button>
              <Button type="submit" loading={add.isPending} disabled={events.length === 0}>Add</Button>
            </Group>
          </Stack>
        </form>
      </Modal>
      <SecretModal secret={secret} title="Endpoint added" close={() => setSecret(undefined)}>
        The receiver verifies the webhook-signature header with this secret.
      </SecretModal>
    </>
  );
}
