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
import { client } from "../../data/client.ts";
import { containing } from "../../data/conditions.ts";
import { type LivePagesOptions, useLivePages } from "../../data/pages.ts";
import { rpc, unwrap, useChange } from "../../data/query.ts";
import { ALLOWLIST_CHANGED } from "../../session/AddHost.tsx";
import { typedHost } from "../../ui/host.ts";
import { ListTools } from "../../session/ListTools.tsx";
import { useParameter } from "../../ui/location.ts";
import { SearchField } from "../../ui/SearchField.tsx";
import { useNames } from "../../session/team.ts";
import { useDraft } from "../../session/draft.ts";
import { For, useMay } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { Icon } from "../../ui/icons.tsx";
import { Section } from "../../ui/Section.tsx";
import { Empty, LoadedPages } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { AllowlistHistory } from "./Histories.tsx";

type Allowed = Row<"destination_allowlist">;

const PURPOSES = [
  { purpose: "forward", title: "Services", about: "Hosts that messages and notifications may be sent to." },
  { purpose: "redirect", title: "Links", about: "Hosts that links may redirect to." },
] as const;

/** Hosts of a page. */
const PAGE = 100;

/** The hosts that may be reached for a purpose, in pages. */
const hostPages = (purpose: Allowed["purpose"], search: string): LivePagesOptions<Allowed> => ({
  key: ["destination_allowlist", purpose, search],
  read: (last) => {
    let rows = client().from("destination_allowlist").select("*").eq("purpose", purpose);
    if (search) rows = rows.ilike("pattern", containing(search));
    if (last) rows = rows.gt("pattern", last.pattern);
    return unwrap(rows.order("pattern").limit(PAGE));
  },
  size: PAGE,
});

export function Allowlist() {
  const [search, setSearch] = useParameter("q");
  return (
    <Stack>
      <For role="admin" otherwise={<Text size="sm" c="dimmed">Only admins can change the allowlist.</Text>}>
        <Add />
      </For>
      <ListTools name="allowlist" source={PURPOSES.map(({ purpose }) => hostPages(purpose, search))}>
        <SearchField label="Search hosts" value={search} onChange={setSearch} />
      </ListTools>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        {PURPOSES.map(({ purpose, title, about }) => (
          <Section key={purpose} title={title} about={about} flush>
            <Hosts purpose={purpose} search={search} />
          </Section>
        ))}
      </SimpleGrid>
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
    touches: ALLOWLIST_CHANGED,
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
          onChange={({ currentTarget: { value } }) => (setPattern(typedHost(value)), setFault(undefined))}
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

function Hosts({ purpose, search }: { purpose: Allowed["purpose"]; search: string }) {
  const ask = useAsk();
  const nameOf = useNames();
  const may = useMay("admin");
  const disallow = useChange({
    act: ({ pattern, purpose }: Allowed) => rpc("disallow_host", { p_pattern: pattern, p_purpose: purpose }),
    touches: ALLOWLIST_CHANGED,
    said: (_, { pattern }) =>
      `${pattern} was removed from the allowlist. This takes effect within 5 seconds.`,
    undo: (_, { pattern, purpose }) => async () => {
      await rpc("allow_host", { p_pattern: pattern, p_purpose: purpose });
      return `Undone: ${pattern} is allowed again.`;
    },
  });
  const hosts = useLivePages(hostPages(purpose, search));
  return (
    <LoadedPages
      of={hosts}
      rows={2}
      empty={search
        ? <Empty icon="search" title={`No hosts match “${search}”`} />
        : <Empty icon="link" title="No hosts yet">Add a host to allow requests to it.</Empty>}
    >
      {(items) => (
        <Table horizontalSpacing="md">
          <Table.Tbody>
            {items.map((host) => (
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
            {hosts.hasMore && (
              <Table.Tr>
                <Table.Td colSpan={2}>
                  <Button variant="default" fullWidth loading={hosts.reading} onClick={hosts.more}>
                    Show more
                  </Button>
                </Table.Td>
              </Table.Tr>
            )}
          </Table.Tbody>
        </Table>
      )}
    </LoadedPages>
  );
}
