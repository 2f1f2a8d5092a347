/** Addresses that get no mail: the list, whether one is on it, adding and lifting. */
import { Button, Group, Paper, Select, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import type { Suppression } from "../../../../supabase/functions/_shared/contract/answers/mail.ts";
import { type LivePagesOptions, useLivePages } from "../../data/pages.ts";
import { rpc, useChange } from "../../data/query.ts";
import { For } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { ListTools } from "../../session/ListTools.tsx";
import { useParameter } from "../../ui/location.ts";
import { Section } from "../../ui/Section.tsx";
import { SearchField } from "../../ui/SearchField.tsx";
import { Empty, LoadedPages } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { VirtualList } from "../../ui/VirtualList.tsx";
import classes from "./mail.module.css";
import { sourceInWords, suppressionInWords } from "./words.ts";

const SIZE = 100;
const TOUCHES = ["list_suppressions", "email_overview"];
const REASONS = ["manual", "bounce", "complaint", "unsubscribe"];
const SCOPES = [{ value: "all", label: "All mail" }, { value: "bulk", label: "Mass mail only" }];
type Scope = Suppression["scope"];

const scopeInWords = (scope: Scope) => scope === "all" ? "mail at all" : "mass mail";

export function Suppressions() {
  return (
    <Stack>
      <For
        role="operator"
        otherwise={
          <Text size="sm" c="dimmed">Only operators can look for an address, add one or take one off.</Text>
        }
      >
        <Lookup />
      </For>
      <List />
    </Stack>
  );
}

/** Looks for one address: it is shown nowhere else whole, and stays out of the page's address. */
function Lookup() {
  const ask = useAsk();
  const [address, setAddress] = useState("");
  const [reason, setReason] = useState("manual");
  const [scope, setScope] = useState<Scope>("all");
  const [found, setFound] = useState<{ address: string; on: Omit<Suppression, "address" | "same">[] }>();
  const [fault, setFault] = useState<string>();
  const look = useChange({
    act: async (address: string) => ({
      address,
      on: await rpc("find_suppression", { p_address: address }),
    }),
    touches: [],
  });
  const search = (address: string) => look.mutate(address, { onSuccess: setFound });
  const add = useChange({
    act: (args: { address: string; reason: string; scope: Scope }) =>
      rpc("add_suppression", { p_address: args.address, p_reason: args.reason, p_scope: args.scope }),
    touches: TOUCHES,
    said: ({ added }) =>
      added ? "Added. The address gets no such mail any more." : "It was on the list already.",
    undo: ({ added }, { address, scope }) =>
      !added ? undefined : async () => {
        await rpc("lift_suppression", { p_address: address, p_scope: scope });
        search(address);
        return "Undone: the address is not on the list any more.";
      },
    onRefused: ({ message }) => (setFault(message), true),
  });
  const lift = useChange({
    act: (args: { address: string; scope: Scope }) =>
      rpc("lift_suppression", { p_address: args.address, p_scope: args.scope }),
    touches: TOUCHES,
    said: ({ lifted }) => lifted ? "Removed from the list." : "It was not on the list.",
    undo: ({ lifted }, { address, scope }) => {
      const was = found?.address === address ? found.on.find((one) => one.scope === scope) : undefined;
      return !lifted || was === undefined ? undefined : async () => {
        await rpc("add_suppression", { p_address: address, p_reason: was.reason, p_scope: scope });
        search(address);
        return "Undone: the address is on the list again, added by the team.";
      };
    },
  });
  const typed = address.trim().toLowerCase();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setFault(undefined);
    search(typed);
  };
  return (
    <Section title="One address">
      <form onSubmit={submit}>
        <Group align="flex-end" gap="sm">
          <TextInput
            label="Address"
            type="email"
            required
            autoComplete="off"
            error={fault}
            value={address}
            onChange={({ currentTarget: { value } }) => (setAddress(value), setFound(undefined))}
            w={{ base: "100%", xs: 280 }}
          />
          <Button type="submit" variant="default" loading={look.isPending}>Look up</Button>
        </Group>
      </form>
      {found && (
        <Stack gap="sm" mt="md">
          {found.on.length === 0 && <Text size="sm">This address gets mail.</Text>}
          {found.on.map(({ scope, reason, source, since }) => (
            <Group key={scope} justify="space-between" gap="sm">
              <Text size="sm" component="div">
                Gets no {scopeInWords(scope)}: {suppressionInWords(reason)}, by {sourceInWords(source)},{" "}
                <Time at={since} />
              </Text>
              <Button
                size="xs"
                variant="default"
                loading={lift.isPending}
                onClick={async () => {
                  const answer = await ask({
                    title: "Remove this address from the list?",
                    body: reason === "unsubscribe" || reason === "complaint"
                      ? "The person asked for no more mail. Do this only if they have agreed to it again."
                      : "Mail to it is sent again.",
                    action: "Remove",
                    danger: reason === "unsubscribe" || reason === "complaint",
                    reason: "none",
                  });
                  if (answer) {
                    lift.mutate({ address: found.address, scope }, {
                      onSuccess: () =>
                        search(found.address),
                    });
                  }
                }}
              >
                Remove
              </Button>
            </Group>
          ))}
          <Group align="flex-end" gap="sm">
            <Select
              label="Reason"
              allowDeselect={false}
              data={REASONS.map((value) => ({ value, label: suppressionInWords(value) }))}
              value={reason}
              onChange={(value) => setReason(value ?? "manual")}
              w={200}
            />
            <Select
              label="Mail to block"
              allowDeselect={false}
              data={SCOPES}
              value={scope}
              onChange={(value) => setScope(value === "bulk" ? "bulk" : "all")}
              w={200}
            />
            <Button
              loading={add.isPending}
              onClick={() =>
                add.mutate({ address: found.address, reason, scope }, {
                  onSuccess: () => search(found.address),
                })}
            >
              Add
            </Button>
          </Group>
        </Stack>
      )}
    </Section>
  );
}

function List() {
  const [search, setSearch] = useParameter("q");
  const source: LivePagesOptions<Suppression> = {
    key: ["list_suppressions", { search }],
    read: (last) =>
      rpc("list_suppressions", {
        p_before: last?.since ?? null,
        p_limit: SIZE,
        p_same: last?.same ?? null,
        p_search: search || null,
      }),
    size: SIZE,
  };
  const pages = useLivePages(source);
  return (
    <Stack gap="sm">
      <ListTools name="suppressions" source={source}>
        <SearchField label="Search by domain or reason" value={search} onChange={setSearch} />
      </ListTools>
      <LoadedPages
        of={pages}
        empty={search
          ? <Empty icon="search" title={`No suppressions match “${search}”`} />
          : (
            <Empty icon="mail" title="No suppressed addresses">
              Addresses that bounce, complain or unsubscribe are added automatically.
            </Empty>
          )}
      >
        {(items) => (
          <Paper withBorder radius="md">
            <VirtualList
              label="Suppressions"
              items={items}
              idOf={({ since, same }) => `${since} ${same}`}
              height={50}
              className={classes.list}
              hasMore={pages.hasMore}
              reading={pages.reading}
              more={pages.more}
            >
              {({ address, scope, reason, source, since }) => (
                <Group justify="space-between" gap="sm">
                  <Text size="sm" style={{ overflowWrap: "anywhere" }}>{address}</Text>
                  <Text size="sm" component="div">
                    gets no {scopeInWords(scope)}: {suppressionInWords(reason)}, <Time at={since} />, by{" "}
                    {sourceInWords(source)}
                  </Text>
                </Group>
              )}
            </VirtualList>
          </Paper>
        )}
      </LoadedPages>
    </Stack>
  );
}
