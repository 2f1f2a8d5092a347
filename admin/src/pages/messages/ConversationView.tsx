/** One conversation: who, until when one may write, its messages, and a reply. */
import { Badge, Group, Loader, Text, UnstyledButton } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef } from "react";
import { usePages } from "../../data/pages.ts";
import { rpc, useRpc } from "../../data/query.ts";
import { For, useMay } from "../../session/me.tsx";
import { Contact } from "../../ui/Contact.tsx";
import { Empty, Failed, Loading } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { Reply } from "./Reply.tsx";
import { Reveal } from "./Reveal.tsx";
import type { Conversation, Message } from "./types.ts";
import { errorWords, lineOf, stateOf } from "./words.ts";
import classes from "./messages.module.css";

const SIZE = 100;

interface Page {
  conversation: Conversation;
  messages: Message[];
}

export function ConversationView({ id, open }: { id: string; open: (message: string) => void }) {
  const head = useRpc<Page | null>("conversation_messages", { p_conversation_id: id, p_limit: 1 });
  if (head.data === undefined || head.isPlaceholderData) {
    return head.isError ? <Failed error={head.error} retry={head.refetch} /> : <Loading rows={6} />;
  }
  if (head.data === null) {
    return (
      <Empty icon="chat" title="There is no such conversation">
        It may have been merged with another one of the same person. Search for the last four digits.
      </Empty>
    );
  }
  const { conversation } = head.data;
  return (
    <>
      <div className={classes.head}>
        <Group justify="space-between" gap="xs">
          <div>
            <Contact id={conversation.contact.last_four ?? "????"} name={conversation.contact.name} />
            <Text size="xs" c="dimmed">with our number {conversation.number ?? conversation.number_id}</Text>
          </div>
          <Group gap="xs">
            {conversation.opted_out_at && <Badge color="orange" variant="light">opted out</Badge>}
            {conversation.unrouted_since && (
              <Badge color="yellow" variant="light">
                waits for the router
              </Badge>
            )}
            <For role="operator">
              <Reveal contact={conversation.contact.id} />
            </For>
          </Group>
        </Group>
      </div>
      <Messages id={id} open={open} />
      <For role="operator">
        <div className={classes.foot}>
          <Reply conversation={conversation} />
        </div>
      </For>
    </>
  );
}

function Messages({ id, open }: { id: string; open: (message: string) => void }) {
  const pages = usePages<Message>({
    key: ["conversation_messages", id],
    read: async (after) =>
      (await rpc<Page>("conversation_messages", {
        p_conversation_id: id,
        p_before: after?.seq ?? null,
        p_limit: SIZE,
      })).messages,
    size: SIZE,
    idOf: (message) => message.id,
  });
  const scroller = useRef<HTMLDivElement>(null);
  const items = pages.items ?? [];
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 76,
    overscan: 12,
    getItemKey: (index) => items[index].id,
  });
  const shown = rows.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;
  useEffect(() => {
    if (items.length > 0 && last >= items.length - 40) pages.more();
  }, [last, items.length]);
  if (pages.items === undefined) {
    return pages.error ? <Failed error={pages.error} retry={pages.retry} /> : <Loading rows={6} />;
  }
  return (
    <div
      ref={scroller}
      className={classes.scroll}
      tabIndex={0}
      role="group"
      aria-label="Messages, newest first"
    >
      <div role="list" style={{ height: rows.getTotalSize() + 8, position: "relative", top: 4 }}>
        {shown.map(({ key, index, start }) => (
          <div
            key={key}
            role="listitem"
            ref={rows.measureElement}
            data-index={index}
            style={{ position: "absolute", top: 0, insetInline: 0, transform: `translateY(${start}px)` }}
          >
            <Bubble message={items[index]} open={open} />
          </div>
        ))}
      </div>
      {pages.reading && <Loader size="sm" m="sm" aria-label="Reading more" />}
    </div>
  );
}

function Bubble({ message, open }: { message: Message; open: (id: string) => void }) {
  const out = message.direction === "out";
  const words = useMay("operator");
  return (
    <div className={`${classes.row} ${out ? classes.out : ""}`}>
      <div className={classes.bubble}>
        <Text
          size="sm"
          className={classes.words}
          c={message.text ? undefined : "dimmed"}
          fs={message.text ? undefined : "italic"}
        >
          {lineOf(message)}
          {!words && ", words hidden"}
        </Text>
        <div className={classes.how}>
          <Time at={message.created_at} />
          {out ? <Sent message={message} /> : <Went message={message} />}
          {message.link && <span>by link {message.link}</span>}
          <UnstyledButton
            className={classes.link}
            onClick={() => open(message.id)}
            aria-label={`Details of: ${lineOf(message).slice(0, 40)}`}
          >
            Details
          </UnstyledButton>
        </div>
      </div>
    </div>
  );
}

function Sent({ message: { status, error } }: { message: Message }) {
  if (status === "failed") {
    return <Badge size="xs" color="red" variant="light" title={errorWords(error)}>failed</Badge>;
  }
  return <span>{status}</span>;
}

function Went({ message: { route, deliveries } }: { message: Message }) {
  if (route === null) return <Badge size="xs" color="yellow" variant="light">not routed yet</Badge>;
  if (route.reason === "no_match") return <Badge size="xs" color="gray" variant="light">no route</Badge>;
  return deliveries.map((delivery) => {
    const [color, word] = stateOf(delivery);
    return delivery.state === "delivered"
      ? <span key={delivery.id}>→ {delivery.destination}</span>
      : (
        <Badge key={delivery.id} size="xs" color={color} variant="light" tt="none">
          {delivery.destination}: {word}
        </Badge>
      );
  });
}
