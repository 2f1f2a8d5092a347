/** All conversations, or the results of a search. */
import { ActionIcon, Group, Loader, SegmentedControl, Text, TextInput, UnstyledButton } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef, useState } from "react";
import { typeInWords } from "../../../../supabase/functions/_shared/contract/words/messages.ts";
import { usePages } from "../../data/pages.ts";
import { rpc, useRpc } from "../../data/query.ts";
import { ChannelFace } from "../mail/ChannelFace.tsx";
import { Who } from "./Who.tsx";
import { useParameter } from "../../ui/location.ts";
import { Icon } from "../../ui/icons.tsx";
import { State } from "../../ui/State.tsx";
import { Empty, Failed, Loading } from "../../ui/states.tsx";
import { useNow } from "../../ui/Time.tsx";
import { ago, duration, exact } from "../../ui/times.ts";
import type {
  Conversation,
  FoundConversation,
  WorkConversation,
} from "../../../../supabase/functions/_shared/contract/answers/messages.ts";
import classes from "./messages.module.css";

const SIZE = 50;

interface Props {
  query: string;
  onQuery: (query: string) => void;
  selected: string;
  /** `message` is the one that a search found. */
  open: (id: string, message?: string) => void;
}

/** A whole phone number is searched by its last four digits, so that it never gets into the address. */
export function searchFor(typed: string): string {
  const digits = typed.replace(/[\s()+.-]/g, "");
  return /^\d{5,15}$/.test(digits) ? digits.slice(-4) : typed.trim();
}

export function ConversationList({ query, onQuery, selected, open }: Props) {
  const [typed, setTyped] = useState(query);
  const [which, setWhich] = useParameter("list", "all");
  const search = useDebouncedCallback((text: string) => onQuery(searchFor(text)), 300);
  return (
    <>
      <div className={classes.head}>
        <TextInput
          type="search"
          aria-label="Search conversations"
          placeholder="Message id, link code or last 4 digits"
          leftSection={<Icon name="search" size={16} />}
          rightSection={typed && (
            <ActionIcon
              variant="subtle"
              color="gray"
              aria-label="Clear search"
              onClick={() => (setTyped(""), onQuery(""))}
            >
              <Icon name="cross" size={14} />
            </ActionIcon>
          )}
          value={typed}
          onChange={({ currentTarget: { value } }) => (setTyped(value), search(value))}
        />
        {query === "" && (
          <SegmentedControl
            size="xs"
            mt={6}
            fullWidth
            aria-label="Which conversations"
            value={which}
            onChange={setWhich}
            data={[
              { value: "all", label: "All" },
              { value: "mine", label: "Mine" },
              { value: "unread", label: "Unread" },
              { value: "waiting", label: "Waiting" },
              { value: "taken_over", label: "Taken over" },
            ]}
          />
        )}
      </div>
      {query
        ? <Found query={query} selected={selected} open={open} />
        : which === "unread" || which === "waiting"
        ? <Work which={which} selected={selected} open={open} />
        : which === "mine" || which === "taken_over"
        ? <Desk which={which} selected={selected} open={open} />
        : <All selected={selected} open={open} />}
    </>
  );
}

function Found({ query, selected, open }: Pick<Props, "query" | "selected" | "open">) {
  const pages = usePages<FoundConversation>({
    key: ["search_conversations", { query }],
    read: (last) =>
      rpc("search_conversations", {
        p_query: query,
        p_limit: SIZE,
        p_before: last ? { at: last.at, id: last.id } : {},
      }),
    size: SIZE,
    idOf: ({ id }) => id,
  });
  if (pages.items === undefined) {
    return pages.error ? <Failed error={pages.error} retry={pages.retry} /> : <Loading rows={3} />;
  }
  if (pages.items.length === 0) {
    return (
      <Empty icon="search" title="No matches">
        Search for a complete message id (Gatelink's or wamid…), a link's code, or the last four digits of a
        phone number.
      </Empty>
    );
  }
  return (
    <Rows items={pages.items} selected={selected} open={open} more={pages.more} reading={pages.reading} />
  );
}

function Desk(
  { which, selected, open }: Pick<Props, "selected" | "open"> & { which: "mine" | "taken_over" },
) {
  const found = useRpc("list_desk_conversations", { p_which: which });
  if (found.data === undefined || found.isPlaceholderData) {
    return found.isError ? <Failed error={found.error} retry={found.refetch} /> : <Loading rows={3} />;
  }
  if (found.data.length === 0) {
    return which === "mine"
      ? (
        <Empty icon="chat" title="No conversations assigned to you">
          A conversation's head says who looks after it.
        </Empty>
      )
      : (
        <Empty icon="chat" title="No conversations taken over">
          Services handle every conversation. To take one over, reply in it.
        </Empty>
      );
  }
  return <Rows items={found.data} selected={selected} open={open} />;
}

function Work({ which, selected, open }: Pick<Props, "selected" | "open"> & { which: "unread" | "waiting" }) {
  const found = useRpc("list_conversation_work", { p_which: which });
  if (found.data === undefined || found.isPlaceholderData) {
    return found.isError ? <Failed error={found.error} retry={found.refetch} /> : <Loading rows={3} />;
  }
  if (found.data.length === 0) {
    return (
      <Empty icon="check" title={which === "unread" ? "Nothing unread" : "Nobody is waiting"}>
        Among the conversations that somebody of the team has taken over or looks after.
      </Empty>
    );
  }
  return <Rows items={found.data} selected={selected} open={open} />;
}

function All({ selected, open }: Pick<Props, "selected" | "open">) {
  const pages = usePages<Conversation>({
    key: ["list_conversations"],
    read: (after) => rpc("list_conversations", { p_before: after?.last?.id ?? null, p_limit: SIZE }),
    size: SIZE,
    idOf: ({ id }) => id,
  });
  if (pages.items === undefined) {
    return pages.error
      ? <Failed error={pages.error} retry={pages.retry} />
      : <Loading rows={8} height={58} />;
  }
  if (pages.items.length === 0) {
    return (
      <Empty icon="chat" title="No conversations yet">
        Messages appear here as soon as Meta or your mail provider delivers them. On the local stack, send one
        in the <a href="../simulator/">simulator</a>.
      </Empty>
    );
  }
  return (
    <Rows items={pages.items} selected={selected} open={open} more={pages.more} reading={pages.reading} />
  );
}

interface RowsProps extends Pick<Props, "selected" | "open"> {
  items: Conversation[];
  more?: () => void;
  reading?: boolean;
}

function Rows({ items, selected, open, more, reading }: RowsProps) {
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 66,
    overscan: 8,
    getItemKey: (index) => items[index].id,
  });
  const shown = rows.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;
  useEffect(() => {
    if (last >= items.length - 10) more?.();
  }, [last, items.length]);
  return (
    <div ref={scroller} className={classes.scroll}>
      <div
        role="list"
        aria-label="Conversations"
        style={{ height: rows.getTotalSize(), position: "relative" }}
      >
        {shown.map(({ key, index, start }) => (
          <div
            key={key}
            role="listitem"
            ref={rows.measureElement}
            data-index={index}
            style={{ position: "absolute", top: 0, insetInline: 0, transform: `translateY(${start}px)` }}
          >
            <Row of={items[index]} selected={items[index].id === selected} open={open} />
          </div>
        ))}
      </div>
      {reading && <Loader size="sm" m="sm" aria-label="Loading more" />}
    </div>
  );
}

function Row(
  { of, selected, open }:
    & { of: Conversation & Partial<FoundConversation & WorkConversation>; selected: boolean }
    & Pick<Props, "open">,
) {
  const { contact, last, found, message_id } = of;
  const now = useNow();
  return (
    <UnstyledButton
      className={classes.conversation}
      aria-current={selected ? "true" : undefined}
      onClick={() => open(of.id, message_id ?? undefined)}
    >
      <Group justify="space-between" wrap="nowrap" gap="xs">
        <Group gap={6} wrap="nowrap" style={{ minWidth: 0 }}>
          <ChannelFace channel={of.channel} />
          <Who contact={contact} />
        </Group>
        {last && (
          <Text
            size="xs"
            c="dimmed"
            title={exact(new Date(last.created_at))}
            style={{ whiteSpace: "nowrap" }}
          >
            {ago(new Date(last.created_at), now)}
          </Text>
        )}
      </Group>
      <Group justify="space-between" wrap="nowrap" gap="xs" mt={2}>
        <Text size="sm" c="dimmed" truncate>
          {last?.direction === "out" && "You: "}
          <bdi>{last?.text ?? typeInWords(last?.type ?? "")}</bdi>
        </Text>
        {of.unrouted_since && <State size="xs" tone="warn">waiting</State>}
        {of.waiting_since
          ? (
            <State size="xs" tone="warn">
              waiting {duration((now - Date.parse(of.waiting_since)) / 1000)}
            </State>
          )
          : of.taken_over && <State size="xs" tone="info">taken over</State>}
        {of.unread && <State size="xs" tone="info">unread</State>}
        {found === "message" && <State size="xs" tone="info">message</State>}
        {found === "link" && <State size="xs" tone="info">link</State>}
      </Group>
    </UnstyledButton>
  );
}
