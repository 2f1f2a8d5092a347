/** The frame: the organisation at the top, its pages below. A sitter has conversations alone. */
import {
  Group,
  NativeSelect,
  Text,
  UnstyledButton,
  useComputedColorScheme,
  useMantineColorScheme,
} from "@mantine/core";
import { lazy, Suspense, useEffect } from "react";
import type { MessagesMe } from "../../../supabase/functions/_shared/contract/http/masking.ts";
import { signOut } from "../session/leave.ts";
import { Boundary } from "../shell/Boundary.tsx";
import { Loading } from "../ui/states.tsx";
import { Icon, type IconName } from "../ui/icons.tsx";
import { navigate, useHashPath } from "../ui/location.ts";
import { KEYS, readInbox, SIZE } from "./api.ts";
import { useRead } from "../data/query.ts";
import { Conversations } from "./Conversations.tsx";
import { addressOf, type View } from "./places.ts";
import { WORDS } from "./words.ts";
import classes from "./masked.module.css";

// For owners, whose page may take a moment longer.
const FindingsPage = lazy(() => import("./FindingsPage.tsx"));
const InboxPage = lazy(() => import("./InboxPage.tsx"));

type Org = MessagesMe["orgs"][number];
/** The organisation that was looked at last. */
const LAST = "gatelink-messages-org";

export function Frame({ orgs }: { orgs: readonly Org[] }) {
  const [path] = useHashPath();
  const [, named, view, id] = path.split("/");
  const org = orgs.find(({ org_id }) => org_id === named) ??
    orgs.find(({ org_id }) => org_id === localStorage.getItem(LAST)) ?? orgs[0];
  useEffect(() => localStorage.setItem(LAST, org.org_id), [org.org_id]);
  const manages = org.role !== "sitter";
  const shown: View = manages && (view === "inbox" || view === "findings") ? view : "threads";
  const isTalking = shown === "threads" && named === org.org_id && id !== undefined;
  useEffect(() => {
    document.title = `${WORDS.pages[shown]} · ${org.name}`;
  }, [shown, org.name]);
  return (
    <div className={classes.frame} data-talking={isTalking}>
      <header className={classes.top}>
        {orgs.length > 1
          ? (
            <NativeSelect
              aria-label={WORDS.organisation}
              value={org.org_id}
              onChange={({ currentTarget: { value } }) => navigate(addressOf(value, "threads"))}
              data={orgs.map(({ org_id, name }) => ({ value: org_id, label: name }))}
            />
          )
          : <Text fw={700} truncate dir="auto">{org.name}</Text>}
        <Group gap={4} wrap="nowrap">
          <Scheme />
          <UnstyledButton
            className={classes.tool}
            aria-label={WORDS.notFound.signOut}
            title={WORDS.notFound.signOut}
            onClick={() => void signOut()}
          >
            <Icon name="leave" size={18} />
          </UnstyledButton>
        </Group>
      </header>
      {manages && <Pages org={org.org_id} shown={shown} />}
      <main className={classes.main} key={org.org_id}>
        {shown === "threads" && <Conversations org={org} id={isTalking ? id : undefined} />}
        <Boundary search={path}>
          <Suspense fallback={<Loading rows={6} />}>
            {shown === "inbox" && <InboxPage org={org.org_id} />}
            {shown === "findings" && <FindingsPage org={org.org_id} />}
          </Suspense>
        </Boundary>
      </main>
    </div>
  );
}

const PAGES: [view: View, icon: IconName][] = [["threads", "chat"], ["inbox", "bell"], ["findings", "flag"]];

function Pages({ org, shown }: { org: string; shown: View }) {
  const waiting = useRead([KEYS.inbox, org, "count"], async () => (await readInbox(org, undefined)).length);
  const count = waiting.data ?? 0;
  return (
    <nav className={classes.pages} aria-label={WORDS.navigation}>
      {PAGES.map(([view, icon]) => (
        <a
          key={view}
          className={classes.page}
          href={`#${addressOf(org, view)}`}
          aria-current={view === shown ? "page" : undefined}
        >
          <Icon name={icon} size={18} />
          <span>{WORDS.pages[view]}</span>
          {view === "inbox" && count > 0 && (
            <span className={classes.count} aria-label={WORDS.threads.waiting(count)}>
              {count < SIZE ? count : `${SIZE}+`}
            </span>
          )}
        </a>
      ))}
    </nav>
  );
}

function Scheme() {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme("light", { getInitialValueInEffect: false });
  return (
    <UnstyledButton
      className={classes.tool}
      aria-label={WORDS.scheme}
      title={WORDS.scheme}
      onClick={() => setColorScheme(scheme === "dark" ? "light" : "dark")}
    >
      <Icon name={scheme === "dark" ? "sun" : "moon"} size={18} />
    </UnstyledButton>
  );
}
