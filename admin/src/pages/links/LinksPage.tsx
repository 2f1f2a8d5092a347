/** All links, newest first, filtered by tag, campaign or state. */
import { Anchor, Badge, Button, Group, Paper, Select, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link as To } from "wouter";
import {
  FIELDS,
  LINK_FILTERS,
  LINK_STATES,
} from "../../../../supabase/functions/_shared/contract/link_fields.ts";
import type { Link, LinkList } from "../../../../supabase/functions/_shared/contract/links.ts";
import { callFunction } from "../../data/functions.ts";
import { MAX_ROWS, useRows } from "../../data/query.ts";
import type { Refusal } from "../../data/refusal.ts";
import { For } from "../../session/me.tsx";
import { useParameter } from "../../ui/location.ts";
import { Icon } from "../../ui/icons.tsx";
import { Page } from "../../ui/Page.tsx";
import { Empty, Failed, Loading } from "../../ui/states.tsx";
import { State } from "../../ui/State.tsx";
import { Time, useNow } from "../../ui/Time.tsx";
import { GuessedLinks } from "./Guessed.tsx";
import { placeWords, standing, type WaNumber } from "./words.ts";
import classes from "./links.module.css";

const SIZE = 50;

const FILTERS = LINK_FILTERS.map(({ name, label }) => ({ value: name, label }));
/** Whether a filter matches the whole value, rather than a part of it. */
const isWhole = (filter: string) => LINK_FILTERS.find(({ name }) => name === filter)?.matching !== "part";

const STATES = ["all", ...LINK_STATES].map((value) => ({
  value,
  label: value === "all" ? "All but deleted" : value[0].toUpperCase() + value.slice(1),
}));

/** Texts that a row shows below the link's target. Tags are beside its code. */
const LISTED = FIELDS.filter(({ listed, kind }) => listed && kind !== "tags");

export function LinksPage() {
  const [by, setBy] = useParameter("by", "tag");
  const [value, setValue] = useParameter("q");
  const [typed, setTyped] = useState(value);
  const search = useDebouncedCallback(setValue, 300);
  const [state, setState] = useParameter("state", "all");
  const filter = new URLSearchParams({
    limit: String(SIZE),
    ...(value ? { [by]: value } : {}),
    ...(state === "all" ? {} : { state }),
  }).toString();
  return (
    <Page
      title="Links"
      about="Links and QR codes that open a chat, an app or a page, with their statistics."
      actions={
        <For role="operator">
          <Button
            component={To}
            href="/links/import"
            variant="default"
            leftSection={<Icon name="upload" size={16} />}
          >
            Import
          </Button>
          <Button component={To} href="/links/new" leftSection={<Icon name="plus" size={16} />}>
            New link
          </Button>
        </For>
      }
    >
      <GuessedLinks />
      <Group gap="xs">
        <Select
          aria-label="Search by"
          data={FILTERS}
          allowDeselect={false}
          value={by}
          onChange={(next) => setBy(next ?? "tag")}
          w={140}
        />
        <TextInput
          type="search"
          aria-label="Search links"
          placeholder={isWhole(by) ? "Exact value" : "Part of the value"}
          leftSection={<Icon name="search" size={16} />}
          value={typed}
          onChange={({ currentTarget: { value } }) => (setTyped(value), search(value.trim()))}
        />
        <Select
          aria-label="State"
          data={STATES}
          allowDeselect={false}
          value={state}
          onChange={(next) => setState(next ?? "all")}
          w={140}
        />
      </Group>
      <List filter={filter} whole={isWhole(by)} filtered={value !== "" || state !== "all"} />
    </Page>
  );
}

function List({ filter, whole, filtered }: { filter: string; whole: boolean; filtered: boolean }) {
  const numbers = useRows(
    ["wa_numbers"],
    (db) => db.from("wa_numbers").select("id,display_number").limit(MAX_ROWS),
    {
      every: false,
    },
  );
  const pages = useInfiniteQuery<LinkList, Refusal>({
    queryKey: ["links", filter],
    initialPageParam: "",
    queryFn: ({ pageParam }) =>
      callFunction(
        `deeplinks?${filter}${pageParam ? `&cursor=${encodeURIComponent(String(pageParam))}` : ""}`,
      ),
    getNextPageParam: ({ cursor }) => cursor,
  });
  if (pages.data === undefined) {
    return pages.error
      ? <Failed error={pages.error} retry={() => void pages.refetch()} />
      : <Loading rows={6} />;
  }
  const links = pages.data.pages.flatMap(({ links }) => links);
  if (links.length === 0) {
    return filtered
      ? (
        <Empty icon="search" title="No matching links">
          {whole ? "Enter the exact value." : "Try a shorter part of the value."}
        </Empty>
      )
      : (
        <Empty icon="link" title="No links yet">
          A link opens a chat with one of your numbers, an app or a page. Statistics show which conversations
          it started.
        </Empty>
      );
  }
  return (
    <Stack gap={6} component="ul" p={0} m={0} style={{ listStyle: "none" }}>
      {links.map((link) => <Row key={link.code} link={link} numbers={numbers.data} />)}
      {pages.hasNextPage && (
        <li>
          <Button
            variant="default"
            fullWidth
            loading={pages.isFetchingNextPage}
            onClick={() => void pages.fetchNextPage()}
          >
            Show more
          </Button>
        </li>
      )}
    </Stack>
  );
}

function Row({ link, numbers }: { link: Link; numbers: WaNumber[] | undefined }) {
  const [word, tone] = standing(link, useNow());
  const rules = link.targets?.length ?? 0;
  return (
    <Paper component="li" withBorder p="sm" className={classes.link}>
      <Group justify="space-between" wrap="nowrap" gap="sm">
        <div style={{ minWidth: 0 }}>
          <Group gap="xs">
            <Anchor
              component={To}
              href={`/links/at/${link.code}`}
              fw={600}
              ff="monospace"
              style={{ overflowWrap: "anywhere" }}
            >
              {link.code}
            </Anchor>
            {word !== "active" && <State size="sm" tone={tone}>{word}</State>}
            {link.password && <State size="sm" tone="plain">password</State>}
            {rules > 0 && <State size="sm" tone="plain">{rules} {rules === 1 ? "rule" : "rules"}</State>}
            {link.tags?.map((tag) => (
              <Badge key={tag} size="sm" variant="outline" color="gray" tt="none">{tag}</Badge>
            ))}
          </Group>
          {LISTED.map(({ name, label }) =>
            link[name] !== undefined && (
              <Text key={name} size="sm" dir="auto" aria-label={label} truncate>{String(link[name])}</Text>
            )
          )}
          <Text size="sm" c="dimmed" truncate>{placeWords(link, numbers)}</Text>
        </div>
        <Text size="xs" c="dimmed" component="div" style={{ whiteSpace: "nowrap" }}>
          <Time at={link.created_at} />
        </Text>
      </Group>
    </Paper>
  );
}
