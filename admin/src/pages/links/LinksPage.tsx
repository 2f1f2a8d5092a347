/** All links, newest first, with their clicks: found by a part of anything, or by tag, campaign or state. */
import { Anchor, Badge, Button, Checkbox, Group, Paper, Select, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { keepPreviousData, useInfiniteQuery, useQueries } from "@tanstack/react-query";
import { useState } from "react";
import { Link as To } from "wouter";
import {
  FIELDS,
  LINK_FILTERS,
  LINK_STATES,
} from "../../../../supabase/functions/_shared/contract/link_fields.ts";
import type { Link, LinkList } from "../../../../supabase/functions/_shared/contract/links.ts";
import type { Result } from "../../../../supabase/functions/_shared/contract/sql.ts";
import { callFunction } from "../../data/functions.ts";
import { MAX_ROWS, rpc, useRows } from "../../data/query.ts";
import { allOf } from "../../data/export.ts";
import type { Source } from "../../data/pages.ts";
import type { Refusal } from "../../data/refusal.ts";
import { toast } from "../../data/toasts.tsx";
import { ListTools } from "../../session/ListTools.tsx";
import { For, useMay } from "../../session/me.tsx";
import { useParameter } from "../../ui/location.ts";
import { Example } from "../../ui/Example.tsx";
import { Icon } from "../../ui/icons.tsx";
import { Page } from "../../ui/Page.tsx";
import { Empty, Failed, Loading } from "../../ui/states.tsx";
import { State } from "../../ui/State.tsx";
import { Time, useNow } from "../../ui/Time.tsx";
import { VirtualList } from "../../ui/VirtualList.tsx";
import { GuessedLinks } from "./Guessed.tsx";
import { Many } from "./Many.tsx";
import { placeWords, standing, type WaNumber } from "./words.ts";
import classes from "./links.module.css";

const SIZE = 50;
/** How often the clicks of the links that are shown are read again, in milliseconds. */
const CLICKS_MS = 30_000;

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
  const [by, setBy] = useParameter("by", "search");
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
      <ListTools name="links" source={linkPages(filter, true)}>
        <Select
          aria-label="Search by"
          data={FILTERS}
          allowDeselect={false}
          value={by}
          onChange={(next) => setBy(next ?? "search")}
          w={140}
        />
        <TextInput
          type="search"
          aria-label="Search links"
          placeholder={by === "search"
            ? "Code, title, note, address"
            : isWhole(by)
            ? "Exact value"
            : "Part of the value"}
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
      </ListTools>
      <List key={filter} filter={filter} whole={isWhole(by)} filtered={value !== "" || state !== "all"} />
    </Page>
  );
}

function List({ filter, whole, filtered }: { filter: string; whole: boolean; filtered: boolean }) {
  const may = useMay("operator");
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
  const links = pages.data?.pages.flatMap(({ links }) => links);
  const chosen = useChosenLinks(links ?? []);
  const clicks = useClicks(pages.data?.pages);
  if (links === undefined) {
    return pages.error
      ? <Failed error={pages.error} retry={() => void pages.refetch()} />
      : <Loading rows={6} />;
  }
  if (links.length === 0) {
    return filtered
      ? (
        <Empty icon="search" title="No matching links">
          {whole ? "Enter the exact value." : "Try fewer words, or a shorter part."}
        </Empty>
      )
      : (
        <Empty icon="link" title="No links yet">
          A link opens a chat with one of your numbers, an app or a page. Statistics show which conversations
          it started.
          <Example command="gatelink links add --whatsapp 'Hello! I would like to order bread.' --tag poster" />
        </Empty>
      );
  }
  return (
    <Stack gap="xs">
      {may && (
        <Group gap="sm">
          <Checkbox
            label={chosen.codes.length === 0
              ? `Select all ${links.length}`
              : `${chosen.codes.length.toLocaleString()} selected`}
            checked={links.every(({ code }) => chosen.has(code))}
            indeterminate={chosen.codes.length > 0 && !links.every(({ code }) => chosen.has(code))}
            onChange={({ currentTarget: { checked } }) => chosen.chooseAll(checked)}
          />
          {pages.hasNextPage && (
            <Button
              size="xs"
              variant="default"
              loading={chosen.reading}
              onClick={() => void chosen.all(filter)}
            >
              Select all that match
            </Button>
          )}
          <Many codes={chosen.codes} forget={chosen.forget} />
        </Group>
      )}
      <VirtualList
        label="Links"
        items={links}
        idOf={({ code }) => code}
        height={86}
        gap={6}
        hasMore={pages.hasNextPage}
        reading={pages.isFetchingNextPage}
        more={() => {
          if (pages.hasNextPage && !pages.isFetching) void pages.fetchNextPage();
        }}
      >
        {(link) => (
          <Row
            link={link}
            numbers={numbers.data}
            clicks={clicks[link.code]}
            checked={may ? chosen.has(link.code) : undefined}
            choose={(on) => chosen.choose(link.code, on)}
          />
        )}
      </VirtualList>
    </Stack>
  );
}

/** Clicks by people, by code; undefined while they are read. */
type Clicks = Result<"link_clicks">;

/** Each page of links has its own read, so that one more page asks for no more than its own. */
function useClicks(pages: readonly LinkList[] | undefined): Clicks {
  return useQueries({
    queries: (pages ?? []).map(({ links }) => {
      const codes = links.map(({ code }) => code);
      return {
        queryKey: ["link_clicks", codes],
        queryFn: () => rpc("link_clicks", { p_codes: codes }),
        refetchInterval: CLICKS_MS,
        placeholderData: keepPreviousData<Clicks | undefined>,
      };
    }),
    combine: (results) => Object.assign({}, ...results.map(({ data }) => data)),
  });
}

/**
 * Links by pages, as the function gives them.
 * @param counted Whether each has its clicks beside it, for a file.
 */
function linkPages(filter: string, counted = false): Source<Link & { clicks?: number }> {
  let cursor: string | undefined;
  return {
    read: async (last) => {
      if (last === undefined) cursor = undefined;
      else if (cursor === undefined) return [];
      const page = await callFunction<LinkList>(
        `deeplinks?${filter}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`,
      );
      cursor = page.cursor;
      if (!counted) return page.links;
      const clicks = await rpc("link_clicks", { p_codes: page.links.map(({ code }) => code) });
      return page.links.map((link) => ({ ...link, clicks: clicks[link.code].all }));
    },
    size: SIZE,
  };
}

/** The selected links: some that are shown, or all that match, shown or not. */
function useChosenLinks(links: readonly Link[]) {
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [reading, setReading] = useState(false);
  return {
    codes: [...chosen],
    has: (code: string) => chosen.has(code),
    choose: (code: string, on: boolean) =>
      setChosen((chosen) => new Set(on ? [...chosen, code] : [...chosen].filter((other) => other !== code))),
    chooseAll: (on: boolean) => setChosen(new Set(on ? links.map(({ code }) => code) : [])),
    forget: (done: readonly string[]) =>
      setChosen((chosen) => {
        const gone = new Set(done);
        return new Set([...chosen].filter((code) => !gone.has(code)));
      }),
    reading,
    async all(filter: string): Promise<void> {
      setReading(true);
      try {
        setChosen(new Set((await allOf([linkPages(filter)])).map(({ code }) => code)));
      } catch (error) {
        toast({ tone: "bad", title: "Not all links were selected", message: (error as Refusal).message });
      } finally {
        setReading(false);
      }
    },
  };
}

function Row({ link, numbers, clicks, checked, choose }: {
  link: Link;
  numbers: WaNumber[] | undefined;
  clicks: Clicks[string] | undefined;
  /** undefined: nothing can be selected. */
  checked: boolean | undefined;
  choose: (on: boolean) => void;
}) {
  const [word, tone] = standing(link, useNow());
  const rules = link.targets?.length ?? 0;
  return (
    <Paper withBorder p="sm" className={classes.link}>
      <Group justify="space-between" wrap="nowrap" gap="sm">
        {checked !== undefined && (
          <Checkbox
            aria-label={`Select link ${link.code}`}
            checked={checked}
            onChange={({ currentTarget: { checked } }) => choose(checked)}
          />
        )}
        <div style={{ minWidth: 0, flex: 1 }}>
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
        <Stack gap={2} align="flex-end" style={{ whiteSpace: "nowrap" }}>
          {clicks && (
            <Text size="sm">{clicks.all.toLocaleString()} {clicks.all === 1 ? "click" : "clicks"}</Text>
          )}
          {clicks && clicks.all > 0 && (
            <Text size="xs" c="dimmed">{clicks.week.toLocaleString()} in 7 days</Text>
          )}
          <Text size="xs" c="dimmed" component="div">
            <Time at={link.created_at} />
          </Text>
        </Stack>
      </Group>
    </Paper>
  );
}
