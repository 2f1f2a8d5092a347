/** What waits for the owner: texts that reached nobody, those that detection held, and those that came while off. */
import { Button, Group, Text, Title } from "@mantine/core";
import type { InboxText } from "../../../supabase/functions/_shared/contract/http/masking.ts";
import { useLivePages } from "../data/pages.ts";
import { useChange } from "../data/query.ts";
import { State } from "../ui/State.tsx";
import { Empty, LoadedPages } from "../ui/states.tsx";
import { finish, KEYS, readInbox, SIZE, TOUCHED } from "./api.ts";
import { Findings } from "./Findings.tsx";
import { addressOf } from "./places.ts";
import { Note } from "./Note.tsx";
import { Said } from "./Said.tsx";
import LetPass from "./LetPass.tsx";
import { reasonInWords, typesInWords, WORDS } from "./words.ts";
import classes from "./masked.module.css";

export default function InboxPage({ org }: { org: string }) {
  const texts = useLivePages<InboxText>({
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

function Item({ org, item }: { org: string; item: InboxText }) {
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
          : outcome === "blocked"
          ? <Note tone="warn">held: {typesInWords(types)}</Note>
          : <Text size="xs" c="dimmed">{reasonInWords(reason)}</Text>}
      </Group>
      {findings.length > 0 && <Findings org={org} item={item} />}
      <Group gap="xs">
        {outcome === "blocked" && <LetPass org={org} id={id} />}
        <Button
          size="xs"
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
