/** One conversation: who is on it, whether its window is open, its texts with their fate, and where one writes. */
import { Alert, Button, Group, Text, Title, UnstyledButton } from "@mantine/core";
import { type InfiniteData, useInfiniteQuery } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useLayoutEffect, useRef, useState } from "react";
import type { ThreadPerson } from "../../../supabase/functions/_shared/contract/answers/masking.ts";
import type { ReadText } from "../../../supabase/functions/_shared/contract/http/masking.ts";
import type { ThreadPage } from "../../../supabase/functions/_shared/contract/http/masking.ts";
import type { Refusal } from "../data/refusal.ts";
import { Icon } from "../ui/icons.tsx";
import { State } from "../ui/State.tsx";
import { Empty, Failed, Loading } from "../ui/states.tsx";
import { Time } from "../ui/Time.tsx";
import { KEYS, readThread, SIZE } from "./api.ts";
import { Composer } from "./Composer.tsx";
import { addressOf } from "./places.ts";
import { Files } from "./Files.tsx";
import { Note } from "./Note.tsx";
import { clientOf, fateOf, typesInWords, windowInWords, WORDS, writerOf } from "./words.ts";
import classes from "./masked.module.css";

const LetPass = lazy(() => import("./LetPass.tsx"));

/** New texts appear within so many milliseconds. */
const EVERY_MS = 3_000;

interface Props {
  org: string;
  id: string;
  reader: "owner" | "sitter";
}

function useThread(org: string, id: string) {
  return useInfiniteQuery<ThreadPage, Refusal, InfiniteData<ThreadPage>, string[], string | undefined>({
    queryKey: [KEYS.thread, org, id],
    initialPageParam: undefined,
    queryFn: ({ pageParam }) => readThread(org, id, pageParam),
    getNextPageParam: ({ entries }) => entries.length < SIZE ? undefined : entries.at(-1)?.id,
    refetchInterval: EVERY_MS,
  });
}

export function Thread({ org, id, reader }: Props) {
  const found = useThread(org, id);
  if (found.error?.code === "not_found") {
    return (
      <>
        <Back org={org} />
        <Empty icon="chat" title={WORDS.thread.gone} />
      </>
    );
  }
  if (found.data === undefined) {
    return found.error
      ? <Failed error={found.error} retry={() => void found.refetch()} />
      : <Loading rows={6} />;
  }
  const [page] = found.data.pages;
  const entries = found.data.pages.flatMap(({ entries }) => entries).toReversed();
  return (
    <>
      <Head page={page} org={org} reader={reader} />
      {found.error && (
        <Alert color="yellow" role="status" radius={0} p="xs" icon={<Icon name="warn" />}>
          {found.error.message}
        </Alert>
      )}
      <Texts
        org={org}
        entries={entries}
        client={clientOf(page.thread.client)}
        reader={reader}
        earlier={found.hasNextPage ? () => void found.fetchNextPage() : undefined}
        reading={found.isFetchingNextPage}
      />
      <Composer
        org={org}
        thread={page.thread}
        reader={reader}
        optedOut={page.people.some(({ role, opted_out }) => role === "client" && opted_out)}
      />
    </>
  );
}

const Back = ({ org }: { org: string }) => (
  <a className={classes.back} href={`#${addressOf(org, "threads")}`} aria-label={WORDS.thread.back}>
    <Icon name="back" />
  </a>
);

const TONES = { active: "good", upcoming: "info", none: "plain" } as const;

function Head({ page: { thread, people, number }, org, reader }: { page: ThreadPage } & Omit<Props, "id">) {
  const [opened, setOpened] = useState(false);
  const { word, sentence } = windowInWords(thread.window);
  return (
    <div className={classes.head}>
      <Group wrap="nowrap" gap="xs" align="flex-start">
        <Back org={org} />
        <div style={{ minWidth: 0, flex: 1 }}>
          <Group gap="xs">
            <Title order={2} size="h4" dir="auto" style={{ overflowWrap: "anywhere" }}>
              {clientOf(thread.client)}
            </Title>
            <State size="sm" tone={thread.state === "live" ? TONES[thread.window.state] : "plain"}>
              {thread.state === "live" ? word : WORDS.thread.ended}
            </State>
            {reader === "owner" && thread.recurring && (
              <State size="sm" tone="plain">{WORDS.thread.recurring}</State>
            )}
          </Group>
          {thread.state === "live" && <Text size="sm" c="dimmed" role="status">{sentence}</Text>}
        </div>
        {reader === "owner" && (
          <UnstyledButton
            className={classes.tool}
            aria-label={WORDS.thread.people}
            title={WORDS.thread.people}
            aria-expanded={opened}
            onClick={() => setOpened(!opened)}
          >
            <Icon name="people" size={18} />
          </UnstyledButton>
        )}
      </Group>
      {opened && (
        <ul className={classes.people}>
          {people.map((person, index) => (
            <li key={index}>
              <Person person={person} />
            </li>
          ))}
          <li>
            <Text size="sm" span c="dimmed">{WORDS.thread.number}:</Text>{" "}
            <Text size="sm" span>
              {number === null ? "" : `+${number}`}, {WORDS.classes[thread.number_class]}
            </Text>
          </li>
        </ul>
      )}
    </div>
  );
}

function Person({ person: { role, name, last4, app_only, opted_out, window } }: { person: ThreadPerson }) {
  const digits = last4 === null || name === `…${last4}` ? "" : ` (…${last4})`;
  return (
    <Group gap={6}>
      <Text size="sm" c="dimmed">{WORDS.thread[role]}:</Text>
      <Text size="sm" dir="auto">{name}{digits}</Text>
      {window && <Text size="sm" c="dimmed">{windowInWords(window).sentence}</Text>}
      {app_only && <State size="xs" tone="plain">{WORDS.thread.appOnly}</State>}
      {opted_out && <State size="xs" tone="warn">{WORDS.thread.optedOut}</State>}
    </Group>
  );
}

interface TextsProps {
  org: string;
  /** Oldest first. */
  entries: ReadText[];
  client: string;
  reader: "owner" | "sitter";
  earlier: (() => void) | undefined;
  reading: boolean;
}

function Texts({ org, entries, client, reader, earlier, reading }: TextsProps) {
  const box = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  const height = useRef(0);
  const newest = entries.at(-1)?.id;
  // New texts are shown to who looks at the newest; who reads an earlier one stays there.
  useLayoutEffect(() => {
    if (box.current && isAtEnd.current) box.current.scrollTop = box.current.scrollHeight;
  }, [newest]);
  useLayoutEffect(() => {
    const { current } = box;
    if (current && !isAtEnd.current) current.scrollTop += current.scrollHeight - height.current;
    height.current = current?.scrollHeight ?? 0;
  }, [entries[0]?.id]);
  useEffect(() => {
    // A phone's keyboard or a warning takes room, and what is loaded later grows.
    const watch = new ResizeObserver(() => {
      if (box.current && isAtEnd.current) box.current.scrollTop = box.current.scrollHeight;
    });
    if (box.current) watch.observe(box.current);
    if (content.current) watch.observe(content.current);
    return () => watch.disconnect();
  }, []);
  return (
    <div
      ref={box}
      className={classes.scroll}
      tabIndex={0}
      role="log"
      aria-label={WORDS.thread.texts}
      onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
        isAtEnd.current = scrollHeight - scrollTop - clientHeight < 40;
        height.current = scrollHeight;
      }}
    >
      <div ref={content}>
        {earlier && (
          <Group justify="center" p="xs">
            <Button size="xs" variant="default" loading={reading} onClick={earlier}>
              {WORDS.thread.earlier}
            </Button>
          </Group>
        )}
        {entries.length === 0 && <Text c="dimmed" size="sm" ta="center" p="xl">{WORDS.thread.none}</Text>}
        {entries.map((entry) => (
          <Bubble key={entry.id} org={org} entry={entry} client={client} reader={reader} />
        ))}
      </div>
    </div>
  );
}

function Bubble(
  { org, entry, client, reader }: {
    org: string;
    entry: ReadText;
    client: string;
    reader: "owner" | "sitter";
  },
) {
  const writer = writerOf(entry, reader, client);
  const role = entry.forced_role ?? entry.from_role;
  // To the owner the business is on one side: the office and its sitters.
  const isOurs = reader === "owner"
    ? role === "owner" || role === "sitter"
    : role === "sitter" && (entry.mine || entry.forced_role !== null);
  const { tone, words } = fateOf(entry);
  const isNoted = entry.outcome === "leg" && entry.types.length > 0;
  return (
    <div className={`${classes.row} ${isOurs ? classes.ours : ""}`}>
      <div className={classes.bubble}>
        {writer && <Text size="xs" fw={600} c="dimmed" dir="auto">{writer}</Text>}
        {entry.text === null
          ? (
            <Text size="sm" fs="italic" c="dimmed">
              {entry.media > 0 ? WORDS.thread.noWords : WORDS.thread.notKept}
            </Text>
          )
          : <Text size="sm" dir="auto" className={classes.words}>{entry.text}</Text>}
        <div className={classes.how}>
          <Time at={entry.at} />
          <Files files={entry.files} media={entry.media} />
          {words !== "" && (tone === "plain" ? <span>{words}</span> : <Note tone={tone}>{words}</Note>)}
          {entry.reason === "forced" && (
            <span>
              {entry.force_reason === null ? "let pass by the office" : `let pass: ${entry.force_reason}`}
            </span>
          )}
          {isNoted && <Note tone="warn">noted: {typesInWords(entry.types)}</Note>}
          {reader === "owner" && entry.outcome === "blocked" && !entry.done && (
            <Suspense>
              <LetPass org={org} id={entry.id} />
            </Suspense>
          )}
        </div>
      </div>
    </div>
  );
}
