/** The allowed hosts of destinations and links. No message or visit goes to any other. */
import {
  ActionIcon,
  Button,
  Group,
  SegmentedControl,
  SimpleGrid,
  Stack,
  Table,
  Text,
  TextInput,
} from "@mantine/core";
import { type FormEvent, useState } from "react";
import type { Row } from "../../../../supabase/functions/_shared/contract/sql.ts";
import { rpc, useChange, useRows } from "../../data/query.ts";
import { useNames } from "../../session/team.ts";
import { useDraft } from "../../session/draft.ts";
import { For, useMay } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { Icon } from "../../ui/icons.tsx";
import { Section } from "../../ui/Section.tsx";
import { Empty, Loaded } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { AllowlistHistory } from "./Histories.tsx";

type Allowed = Row<"destination_allowlist">;

const PURPOSES = [
  { purpose: "forward", title: "Services", about: "Hosts that messages and notifications may be sent to." },
  { purpose: "redirect", title: "Links", about: "Hosts that links may redirect to." },
] as const;
const TOUCHES = ["destination_allowlist", "allowlist_history", "link_ground"];

export function Allowlist() {
  const hosts = useRows(
    ["destination_allowlist"],
    (db) => db.from("destination_allowlist").select("*").order("pattern"),
  );
  return (
    <Stack>
      <For role="admin" otherwise={<Text size="sm" c="dimmed">Only admins can change the allowlist.</Text>}>
        <Add />
      </For>
      <Loaded of={hosts}>
        {(hosts) => (
          <SimpleGrid cols={{ base: 1, md: 2 }}>
            {PURPOSES.map(({ purpose, title, about }) => (
              <Section key={purpose} title={title} about={about} flush>
                <Hosts
                  of={hosts.filter((host) =>
                    host.purpose === purpose
                  )}
                />
              </Section>
            ))}
          </SimpleGrid>
        )}
      </Loaded>
      <For role="admin">
        <AllowlistHistory />
      </For>
    </Stack>
  );
}

function Add() {
  const draft = useDraft("allowlist:new");
  const [pattern, setPattern] = draft.field("pattern", "");
  const [purpose, setPurpose] = draft.field("purpose", "forward");
  const [fault, setFault] = useState<string>();
  const allow = useChange({
    act: () => rpc("allow_host", { p_pattern: pattern.trim(), p_purpose: purpose }),
    touches: TOUCHES,
    said: () => `${pattern.trim()} was added to the allowlist. This takes effect within 5 seconds.`,
    onRefused: ({ code, message }) => {
      setFault(code === "23514" ? "Enter a host such as hooks.example.com or *.example.com." : message);
      return true;
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setFault(undefined);
    allow.mutate(undefined, { onSuccess: draft.clear });
  };
  return (
    <form onSubmit={submit}>
      <Group align="flex-start" gap="sm">
        <TextInput
          aria-label="Host to allow"
          placeholder="hooks.example.com"
          required
          error={fault}
          value={pattern}
          onChange={({ currentTarget: { value } }) => setPattern(value)}
          w={{ base: "100%", xs: 280 }}
        />
        <SegmentedControl
          aria-label="Purpose"
          data={[{ value: "forward", label: "Services" }, { value: "redirect", label: "Links" }]}
          value={purpose}
          onChange={setPurpose}
        />
        <Button type="submit" loading={allow.isPending}>Allow</Button>
      </Group>
    </form>
  );
}

function Hosts({ of }: { of: Allowed[] }) {
  const ask = useAsk();
  const nameOf = useNames();
  const may = useMay("admin");
  const disallow = useChange({
    act: ({ pattern, purpose }: Allowed) => rpc("disallow_host", { p_pattern: pattern, p_purpose: purpose }),
    touches: TOUCHES,
    foresee: (host) => [{
      key: ["destination_allowlist"],
      data: (before) =>
        (before as Allowed[]).filter(({ pattern, purpose }) =>
          pattern !== host.pattern || purpose !== host.purpose
        ),
    }],
    said: (_, { pattern }) =>
      `${pattern} was removed from the allowlist. This takes effect within 5 seconds.`,
    undo: (_, { pattern, purpose }) => async () => {
      await rpc("allow_host", { p_pattern: pattern, p_purpose: purpose });
      return `Undone: ${pattern} is allowed again.`;
    },
  });
  if (of.length === 0) {
    return <Empty icon="link" title="No hosts yet">Add a host to allow requests to it.</Empty>;
  }
  return (
    <Table horizontalSpacing="md">
      <Table.Tbody>
        {of.map((host) => (
          <Table.Tr key={host.pattern}>
            <Table.Td style={{ overflowWrap: "anywhere" }}>
              <Text size="sm" ff="monospace">{host.pattern}</Text>
              <Text size="xs" c="dimmed" component="div">
                {nameOf(host.created_by)}, <Time at={host.created_at} />
              </Text>
            </Table.Td>
            {may && (
              <Table.Td w={60}>
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  size="lg"
                  aria-label={`Remove ${host.pattern}`}
                  onClick={async () => {
                    const answer = await ask({
                      title: `Remove ${host.pattern} from the allowlist?`,
                      body: host.purpose === "forward"
                        ? "Destinations on this host stop receiving messages: each attempt fails until the host is allowed again."
                        : "Links to this host stop working.",
                      action: "Remove",
                      danger: true,
                      reason: "none",
                    });
                    if (answer) disallow.mutate(host);
                  }}
                >
                  <Icon name="trash" size={18} />
                </ActionIcon>
              </Table.Td>
            )}
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}
