/** The identities that mail is sent as: their state, where answers go, and what a person can do with them. */
import { Button, Group, Paper, Stack, Text } from "@mantine/core";
import type { Identity } from "../../../../supabase/functions/_shared/contract/answers/mail.ts";
import { MAIL_PROVIDER_NAMES } from "../../../../supabase/functions/_shared/contract/mail_providers.ts";
import { type LivePagesOptions, useLivePages } from "../../data/pages.ts";
import { rpc, useChange } from "../../data/query.ts";
import { For } from "../../session/me.tsx";
import { useAsk } from "../../ui/ask.tsx";
import { ListTools } from "../../session/ListTools.tsx";
import { useParameter } from "../../ui/location.ts";
import { SearchField } from "../../ui/SearchField.tsx";
import { State } from "../../ui/State.tsx";
import { Empty, LoadedPages } from "../../ui/states.tsx";
import { VirtualList } from "../../ui/VirtualList.tsx";
import { AddIdentity } from "./AddIdentity.tsx";
import { ForwardTo } from "./ForwardTo.tsx";
import { IDENTITY_TOUCHES } from "./touches.ts";
import { VerifyAddress } from "./VerifyAddress.tsx";

/** Identities of a page. */
const PAGE = 50;

export function Identities() {
  const [search, setSearch] = useParameter("q");
  const source: LivePagesOptions<Identity> = {
    key: ["list_identities", { search }],
    read: (last) =>
      rpc("list_identities", {
        p_filter: { ...(search && { search }), ...(last && { after: last.from_email }) },
        p_limit: PAGE,
      }),
    size: PAGE,
  };
  const identities = useLivePages(source);
  return (
    <Stack>
      <Group justify="space-between" gap="sm">
        <Text size="sm" c="dimmed">The addresses that you send as, and where their answers go.</Text>
        <For role="operator">
          <AddIdentity />
        </For>
      </Group>
      {(search !== "" || identities.hasMore || (identities.items?.length ?? 0) > 4) && (
        <ListTools name="identities" source={source}>
          <SearchField label="Search identities" value={search} onChange={setSearch} />
        </ListTools>
      )}
      <LoadedPages
        of={identities}
        empty={search
          ? <Empty icon="search" title={`No identities match “${search}”`} />
          : (
            <Empty icon="mail" title="No identities yet">
              An identity is an address that mail is sent as. Its owner confirms it with a mailed code.
            </Empty>
          )}
      >
        {(items) => (
          <VirtualList
            label="Identities"
            items={items}
            idOf={({ id }) => id}
            height={130}
            gap={16}
            hasMore={identities.hasMore}
            reading={identities.reading}
            more={identities.more}
          >
            {(identity) => <Item of={identity} />}
          </VirtualList>
        )}
      </LoadedPages>
    </Stack>
  );
}

const STATES = {
  active: ["good", "active"],
  paused: ["warn", "paused"],
  unverified: ["warn", "unverified"],
} as const;

function Item({ of }: { of: Identity }) {
  const { from_email, display_name, user_id, is_default, provider, state, verified_at } = of;
  const [tone, word] = STATES[state];
  const about = [
    display_name,
    user_id && `user ${user_id}`,
    `by ${MAIL_PROVIDER_NAMES[provider]}`,
  ]
    .filter(Boolean).join(", ");
  return (
    <Paper withBorder radius="md" p="md" component="section" aria-label={from_email}>
      <Stack gap="sm">
        <Group justify="space-between" gap="sm">
          <div style={{ minWidth: 0 }}>
            <Group gap="xs">
              <Text fw={600} style={{ overflowWrap: "anywhere" }}>{from_email}</Text>
              <State tone={tone}>{word}</State>
              {is_default && <State tone="info">default</State>}
            </Group>
            <Text size="sm" c="dimmed">{about}</Text>
          </div>
          <For role="operator">
            <Actions of={of} />
          </For>
        </Group>
        {verified_at === null && (
          <For role="operator" otherwise={<Text size="sm">The address has not been verified yet.</Text>}>
            <VerifyAddress identity={of} what="from" address={from_email} />
          </For>
        )}
        <ForwardTo identity={of} />
      </Stack>
    </Paper>
  );
}

function Actions({ of: { id, from_email, is_default, state } }: { of: Identity }) {
  const ask = useAsk();
  const set = useChange({
    act: (changes: { is_default?: boolean; state?: "active" | "paused" }) =>
      rpc("set_identity", { p_id: id, p_changes: changes }),
    touches: IDENTITY_TOUCHES,
    said: () => `${from_email} was changed.`,
    undo: (_, changes) =>
      changes.state === undefined || state === "unverified" ? undefined : async () => {
        await rpc("set_identity", { p_id: id, p_changes: { state } });
        return `Undone: ${from_email} is ${state} again.`;
      },
  });
  const remove = useChange({
    act: () => rpc("remove_identity", { p_id: id }),
    touches: IDENTITY_TOUCHES,
    said: () => `${from_email} was removed.`,
  });
  return (
    <Group gap="xs">
      {!is_default && state === "active" && (
        <Button
          size="xs"
          variant="default"
          loading={set.isPending}
          onClick={async () => {
            const answer = await ask({
              title: `Make ${from_email} the default?`,
              body: "Users without an identity of their own send as the default one.",
              action: "Make default",
              reason: "none",
            });
            if (answer) set.mutate({ is_default: true });
          }}
        >
          Make default
        </Button>
      )}
      {state === "active" && (
        <Button
          size="xs"
          variant="default"
          loading={set.isPending}
          onClick={async () => {
            const answer = await ask({
              title: `Pause ${from_email}?`,
              body: "Mail to send and answers to forward wait until you resume it. Nothing is lost.",
              action: "Pause",
              reason: "none",
            });
            if (answer) set.mutate({ state: "paused" });
          }}
        >
          Pause
        </Button>
      )}
      {state === "paused" && (
        <Button
          size="xs"
          variant="default"
          loading={set.isPending}
          onClick={() => set.mutate({ state: "active" })}
        >
          Resume
        </Button>
      )}
      <Button
        size="xs"
        variant="subtle"
        color="red"
        loading={remove.isPending}
        onClick={async () => {
          const answer = await ask({
            title: `Remove ${from_email}?`,
            body:
              "Nothing is sent as it any more. Answers that still come in are kept, and are forwarded to nobody.",
            action: "Remove",
            danger: true,
            reason: "none",
            type: from_email,
          });
          if (answer) remove.mutate(undefined);
        }}
      >
        Remove
      </Button>
    </Group>
  );
}
