/** The messages of a span of time, as a chart leads to them: by direction, and those in trouble. */
import { Anchor, Button, Group, SegmentedControl, Stack, Switch, Text, UnstyledButton } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { typeInWords } from "../../../../supabase/functions/_shared/contract/words/messages.ts";
import type { Result } from "../../../../supabase/functions/_shared/contract/sql.ts";
import { rpc } from "../../data/query.ts";
import type { Refusal } from "../../data/refusal.ts";
import { Contact } from "../../ui/Contact.tsx";
import { useParameter } from "../../ui/location.ts";
import { instants, type Span } from "../../ui/span_text.ts";
import { State } from "../../ui/State.tsx";
import { Empty, Failed, Loading } from "../../ui/states.tsx";
import { Time } from "../../ui/Time.tsx";
import { spanInWords } from "../../words/spans.ts";
import { ChannelFace } from "../mail/ChannelFace.tsx";
import { lineOf, stateOf } from "./words.ts";
import classes from "./messages.module.css";

const SIZE = 50;

type Page = Result<"messages_in_span">;
type Found = Page["messages"][number];

interface Props {
  span: Span;
  /** Opens a message beside its conversation. */
  open: (conversation: string, message: string) => void;
}

export function InSpan({ span, open }: Props) {
  const [direction, setDirection] = useParameter("direction", "all");
  const [trouble, setTrouble] = useParameter("trouble");
  const [link] = useParameter("link");
  const filter = {
    ...(direction === "in" || direction === "out" ? { direction } as const : {}),
    ...(trouble === "yes" ? { trouble: true } : {}),
    ...(link === "" ? {} : { link }),
  };
  return (
    <>
      <div className={classes.head}>
        <Text size="sm" fw={600} role="status">
          {spanInWords(span.from, span.to)}
          {link !== "" && `, by link ${link}`}
        </Text>
        <Anchor href="#/messages" size="sm">All conversations</Anchor>
        <SegmentedControl
          size="xs"
          mt={6}
          fullWidth
          aria-label="Direction"
          value={direction}
          onChange={setDirection}
          data={[{ value: "all", label: "All" }, { value: "in", label: "In" }, {
            value: "out",
            label: "Out",
          }]}
        />
        <Switch
          mt={6}
          size="sm"
          label="Only failed, waiting or without a route"
          checked={trouble === "yes"}
          onChange={({ currentTarget: { checked } }) => setTrouble(checked ? "yes" : "")}
        />
      </div>
      <List key={JSON.stringify([span, filter])} span={span} filter={filter} open={open} />
    </>
  );
}

function List({ span, filter, open }: Props & { filter: Parameters<typeof ask>[1] }) {
  const pages = useInfiniteQuery<Page, Refusal>({
    queryKey: ["messages_in_span", span, filter],
    initialPageParam: null,
    queryFn: ({ pageParam }) => ask(span, filter, pageParam as string | null),
    getNextPageParam: ({ next }) => next,
  });
  if (pages.data === undefined) {
    return pages.error
      ? <Failed error={pages.error} retry={() => void pages.refetch()} />
      : <Loading rows={6} height={58} />;
  }
  const messages = pages.data.pages.flatMap(({ messages }) => messages);
  return (
    <div className={classes.scroll}>
      {messages.length === 0 && !pages.hasNextPage && (
        <Empty icon="chat" title="No messages">None in this time match.</Empty>
      )}
      <Stack gap={0} component="ul" p={0} m={0} style={{ listStyle: "none" }} aria-label="Messages">
        {messages.map((message) => (
          <li key={message.id}>
            <Row of={message} open={open} />
          </li>
        ))}
      </Stack>
      {pages.hasNextPage && (
        <Stack p="sm" gap={4}>
          {messages.length === 0 && (
            // A page looks at a bounded number of messages, none of which may match.
            <Text size="sm" c="dimmed">None among the newest. Older ones may match.</Text>
          )}
          <Button
            variant="default"
            size="xs"
            loading={pages.isFetchingNextPage}
            onClick={() => void pages.fetchNextPage()}
          >
            Show older
          </Button>
        </Stack>
      )}
    </div>
  );
}

function ask(
  span: Span,
  filter: { direction?: "in" | "out"; trouble?: boolean; link?: string },
  before: string | null,
): Promise<Page> {
  const [from, to] = instants(span);
  return rpc("messages_in_span", {
    p_from: from,
    p_to: to,
    p_filter: before === null ? filter : { ...filter, before },
    p_limit: SIZE,
  });
}

function Row({ of, open }: { of: Found; open: Props["open"] }) {
  const { conversation: { id, channel, contact }, direction, deliveries, route, status } = of;
  return (
    <UnstyledButton className={classes.conversation} onClick={() => open(id, of.id)}>
      <Group justify="space-between" wrap="nowrap" gap="xs">
        <Group gap={6} wrap="nowrap" style={{ minWidth: 0 }}>
          <ChannelFace channel={channel} />
          <Contact id={contact.last_four ?? "????"} name={contact.name} />
        </Group>
        <Text size="xs" c="dimmed" component="div" style={{ whiteSpace: "nowrap" }}>
          <Time at={of.created_at} />
        </Text>
      </Group>
      <Group justify="space-between" wrap="nowrap" gap="xs" mt={2}>
        <Text size="sm" c="dimmed" truncate>
          {direction === "out" && "You: "}
          <bdi>{of.text === null ? typeInWords(of.type) : lineOf(of)}</bdi>
        </Text>
        {direction === "out"
          ? <State size="xs" tone={status === "failed" ? "bad" : "plain"}>{status}</State>
          : route === null
          ? <State size="xs" tone="warn">waiting</State>
          : route.reason === "no_match"
          ? <State size="xs" tone="warn">no route</State>
          : route.reason === "masked"
          ? <State size="xs" tone="plain">masked thread</State>
          : deliveries.map((delivery) => {
            const [tone, word] = stateOf(delivery);
            return <State key={delivery.id} size="xs" tone={tone}>{word}</State>;
          })}
      </Group>
    </UnstyledButton>
  );
}
