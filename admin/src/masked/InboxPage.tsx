/** What waits for the owner: texts that reached nobody, those that detection held, and those that came while off. */
import { Button, Group, Text, Title } from "@mantine/core";
import type { InboxItem } from "../../../supabase/functions/_shared/contract/answers/masking.ts";
import { useLivePages } from "../data/pages.ts";
import { useChange } from "../data/query.ts";
import { State } from "../ui/State.tsx";
import { Empty, LoadedPages } from "../ui/states.tsx";
import { Time } from "../ui/Time.tsx";
import { finish, KEYS, readInbox, SIZE, TOUCHED } from "./api.ts";
import { Findings } from "./Findings.tsx";
import { addressOf } from "./Frame.tsx";
import { LetPass } from "./LetPass.tsx";
import { reasonInWords, senderOf, typesInWords, WORDS } from "./words.ts";
import classes from "./masked.module.css";

export function InboxPage({ org }: { org: string }) {
  const texts = useLivePages<InboxItem>({
    key: [KEYS.inbox, org],
    read: (after) => readInbox(org, after),
    size: SIZE,
  });
  return (
    <div className={classes.column}>
      <Title order={1} size="h3">{WORDS.inbox.title}</Title>
      <Text c="dimmed" size="sm" mb="md">{WORDS.inbox.about}</Text>
      <LoadedPages
        of={texts}
        empty={<Empty icon="check" title={WORDS.inbox.none}>{WORDS.inbox.noneAbout}</Empty>}
      >
        {(items) => (
          <ul className={classes.cards}>
            {items.map((item) => (
              <li key={item.id} className={classes.card}>
                <Item org={org} item={item} />
              </li>
            ))}
          </ul>
        )}
      </LoadedPages>
      {texts.hasMore && (
        <Button variant="default" mt="md" loading={texts.reading} onClick={texts.more}>
          {WORDS.threads.more}
        </Button>
      )}
    </div>
  );
}

/** Who wrote a text, when and what. */
export function Said({ item }: { item: InboxItem }) {
  return (
    <>
      <Group justify="space-between" gap="xs" wrap="nowrap">
        <Group gap={6} style={{ minWidth: 0 }}>
          <Text fw={600} truncate dir="auto">{senderOf(item)}</Text>
          <Text size="xs" c="dimmed">{WORDS.inbox.writes[item.from_role]}</Text>
        </Group>
        <Text size="xs" c="dimmed" component="div" style={{ flex: "none" }}>
          <Time at={item.at} />
        </Text>
      </Group>
      {item.text === null
        ? !item.reason.startsWith("call_") && (
          <Text size="sm" fs="italic" c="dimmed">
            {item.media > 0 ? WORDS.thread.noWords : WORDS.thread.notKept}
          </Text>
        )
        : <Text size="sm" dir="auto" className={classes.words}>{item.text}</Text>}
      {item.media > 0 && <Text size="xs" c="dimmed">{WORDS.thread.media(item.media)}</Text>}
    </>
  );
}

function Item({ org, item }: { org: string; item: InboxItem }) {
  const { id, outcome, reason, types, findings, thread_id } = item;
  const done = useChange({
    act: () => finish(org, id),
    touches: TOUCHED,
    said: () => WORDS.inbox.doneSaid,
  });
  return (
    <>
      <Said item={item} />
      <Group gap={6}>
        {reason.startsWith("call_") && <State size="sm" tone="info">{WORDS.inbox.call}</State>}
        {reason === "off"
          ? <State size="sm" tone="warn" asWritten>{WORDS.inbox.whileOff}</State>
          : (
            <State size="sm" tone={outcome === "blocked" ? "warn" : "plain"} asWritten wraps>
              {outcome === "blocked" ? `held: ${typesInWords(types)}` : reasonInWords(reason)}
            </State>
          )}
      </Group>
      {findings.length > 0 && <Findings org={org} item={item} />}
      <Group gap="xs">
        {outcome === "blocked" && <LetPass org={org} id={id} />}
        <Button
          size="compact-xs"
          variant="default"
          loading={done.isPending}
          onClick={() => done.mutate(undefined)}
        >
          {WORDS.inbox.done}
        </Button>
        {thread_id !== null && (
          <a className={classes.link} href={`#${addressOf(org, "threads", thread_id)}`}>{WORDS.inbox.open}</a>
        )}
      </Group>
    </>
  );
}
