/** The conversations of an organisation beside the one that is open; on a phone one after the other. */
import { Button, Group, SegmentedControl, Text, Title } from "@mantine/core";
import { useState } from "react";
import type { ThreadRow } from "../../../supabase/functions/_shared/contract/answers/masking.ts";
import { useLivePages } from "../data/pages.ts";
import { SearchField } from "../ui/SearchField.tsx";
import { State } from "../ui/State.tsx";
import { Empty, LoadedPages } from "../ui/states.tsx";
import { useNow } from "../ui/Time.tsx";
import { ago } from "../ui/times.ts";
import { KEYS, readThreads, SIZE } from "./api.ts";
import { Thread } from "./Thread.tsx";
import { clientOf, windowInWords, WORDS } from "./words.ts";
import { addressOf } from "./places.ts";
import classes from "./masked.module.css";

interface Props {
  org: { org_id: string; role: "owner" | "admin" | "sitter" };
  /** The thread that is open. */
  id: string | undefined;
}

export function Conversations({ org: { org_id, role }, id }: Props) {
  const manages = role !== "sitter";
  return (
    <div className={classes.split}>
      <section className={classes.list} aria-label={WORDS.threads.title}>
        <List org={org_id} manages={manages} id={id} />
      </section>
      <section className={classes.talk} aria-label={WORDS.thread.texts}>
        {id === undefined
          ? <Empty icon="chat" title={WORDS.threads.choose}>{WORDS.threads.chooseAbout}</Empty>
          : <Thread key={id} org={org_id} id={id} reader={manages ? "owner" : "sitter"} />}
      </section>
    </div>
  );
}

function List({ org, manages, id }: { org: string; manages: boolean; id: string | undefined }) {
  const [search, setSearch] = useState("");
  const [state, setState] = useState("live");
  const threads = useLivePages<ThreadRow>({
    key: [KEYS.threads, org, { state, search }],
    read: (after) => readThreads(org, { state, search }, after),
    size: SIZE,
  });
  const none = search !== ""
    ? WORDS.threads.noMatch
    : manages
    ? WORDS.threads.noneOwner
    : WORDS.threads.noneSitter;
  return (
    <>
      <div className={classes.head}>
        <Title order={1} size="h4">{WORDS.threads.title}</Title>
        <SearchField
          isWide
          label={manages ? WORDS.threads.search : WORDS.threads.searchName}
          value={search}
          onChange={setSearch}
        />
        {manages && (
          <SegmentedControl
            size="xs"
            fullWidth
            aria-label={WORDS.threads.state}
            value={state}
            onChange={setState}
            data={[{ value: "live", label: WORDS.threads.live }, {
              value: "ended",
              label: WORDS.threads.ended,
            }]}
          />
        )}
      </div>
      <div className={classes.scroll}>
        <LoadedPages of={threads} empty={<Empty icon="chat" title={WORDS.threads.none}>{none}</Empty>}>
          {(items) => (
            <ul className={classes.threads}>
              {items.map((thread) => (
                <li key={thread.id}>
                  <Row thread={thread} isOpen={thread.id === id} />
                </li>
              ))}
            </ul>
          )}
        </LoadedPages>
        {threads.hasMore && (
          <Button m="sm" variant="default" loading={threads.reading} onClick={threads.more}>
            {WORDS.threads.more}
          </Button>
        )}
      </div>
    </>
  );
}

const TONES = { active: "good", upcoming: "info", none: "plain" } as const;

function Row({ thread, isOpen }: { thread: ThreadRow; isOpen: boolean }) {
  const { id, org_id, client, window, last_at, last_text, waiting, state } = thread;
  const now = useNow();
  return (
    <a
      className={classes.thread}
      href={`#${addressOf(org_id, "threads", id)}`}
      aria-current={isOpen ? "true" : undefined}
    >
      <Group justify="space-between" wrap="nowrap" gap="xs">
        <Text fw={600} truncate dir="auto">{clientOf(client)}</Text>
        <Text size="xs" c="dimmed" style={{ flex: "none" }}>{ago(new Date(last_at), now)}</Text>
      </Group>
      <Text size="sm" c="dimmed" truncate dir="auto">{last_text ?? WORDS.threads.noText}</Text>
      <Group gap={6} mt={4}>
        {state === "live" && <State size="xs" tone={TONES[window.state]}>{windowInWords(window).word}</State>}
        {waiting > 0 && <State size="xs" tone="warn">{WORDS.threads.waiting(waiting)}</State>}
      </Group>
    </a>
  );
}
