/**
 * The frame of every page: the navigation at the side, or at the bottom on phones, and the signed-in person.
 */
import {
  AppShell,
  Box,
  Burger,
  Group,
  Kbd,
  NavLink,
  Stack,
  Text,
  UnstyledButton,
  useMantineColorScheme,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { type ComponentType, lazy, Suspense, useCallback, useEffect, useState } from "react";
import { Link, Route, Switch, useLocation } from "wouter";
import { project } from "../data/client.ts";
import { toast } from "../data/toasts.tsx";
import { signOut } from "../session/leave.ts";
import { useMe } from "../session/me.tsx";
import { NoSuchPage } from "../ui/NoSuchPage.tsx";
import { State } from "../ui/State.tsx";
import { Loading } from "../ui/states.tsx";
import { Icon, type IconName } from "../ui/icons.tsx";
import { PAGES } from "./pages.ts";
import { isApple, useShortcuts } from "./shortcuts.ts";
import { Boundary } from "./Boundary.tsx";
import { Environment } from "./Environment.tsx";
import { BRAKES, navigate, useHashSearch } from "../ui/location.ts";
import classes from "./Shell.module.css";

/** Whether an address belongs to a page. */
const within = (path: string, page: string) =>
  page === "/" ? path === "/" : path === page || path.startsWith(`${page}/`);

/** Focuses the list of brakes on the overview, once that is there. */
function focusBrakes(): void {
  const focused = () => {
    const brakes = document.getElementById(BRAKES);
    brakes?.focus();
    return brakes !== null;
  };
  if (focused()) return;
  const watch = new MutationObserver(() => focused() && watch.disconnect());
  watch.observe(document.body, { childList: true, subtree: true });
  // Whoever goes elsewhere meanwhile is not called back.
  addEventListener("pointerdown", () => watch.disconnect(), { once: true });
  addEventListener("keydown", () => watch.disconnect(), { once: true });
}

interface DialogProps {
  opened: boolean;
  close: () => void;
}

/** Shown in place of a dialog that could not be loaded, without a network or after a new version: the page goes on. */
function notLoaded(): { default: ComponentType<DialogProps> } {
  toast({ tone: "bad", message: "This could not be loaded. Check your connection, then reload the page." });
  return { default: () => null };
}
const Palette = lazy<ComponentType<DialogProps>>(() => import("./palette/Palette.tsx").catch(notLoaded));
/** Without it the panel works as before. */
const Bell = lazy<ComponentType>(() => import("./Bell.tsx").catch(() => ({ default: () => null })));
const Keys = lazy<ComponentType<DialogProps>>(() => import("./Keys.tsx").catch(notLoaded));

/** Number of pages in the bottom bar, beside "More". */
const QUICK = 4;

export function Shell() {
  const [path] = useLocation();
  const query = useHashSearch();
  const [opened, { toggle, close }] = useDisclosure();
  useEffect(close, [path]);
  // Each is loaded when it is first wanted, and stays: what it asks is asked after it was closed.
  const [dialog, setDialog] = useState<"search" | "keys">();
  const [known, setKnown] = useState({ search: false, keys: false });
  const show = useCallback((which: "search" | "keys") => {
    setKnown((before) => ({ ...before, [which]: true }));
    setDialog(which);
  }, []);
  const hide = useCallback(() => setDialog(undefined), []);
  const search = useCallback(() => show("search"), [show]);
  const keys = useCallback(() => show("keys"), [show]);
  useShortcuts({ search, help: keys });
  const current = PAGES.find((page) => within(path, page.path));
  return (
    <AppShell
      header={{ height: { base: 56, sm: 0 } }}
      navbar={{ width: 232, breakpoint: "sm", collapsed: { mobile: !opened } }}
      footer={{ height: { base: 60, sm: 0 } }}
      padding={{ base: "md", sm: "xl" }}
    >
      <a
        className={classes.skip}
        href="#"
        onClick={(event) => (event.preventDefault(), document.getElementById("content")?.focus())}
      >
        Skip to content
      </a>
      <a
        className={classes.skip}
        href="#/"
        onClick={(event) => {
          event.preventDefault();
          navigate("/");
          focusBrakes();
        }}
      >
        Skip to the feature flags' switches
      </a>
      <AppShell.Header hiddenFrom="sm">
        <Group h="100%" px="md" justify="space-between">
          <Brand isNarrow />
          <Group gap={4} wrap="nowrap">
            <Suspense>
              <Bell />
            </Suspense>
            <UnstyledButton className={classes.scheme} aria-label="Search" onClick={search}>
              <Icon name="search" />
            </UnstyledButton>
            <Burger
              opened={opened}
              onClick={toggle}
              size="sm"
              aria-label={opened ? "Close navigation" : "Open navigation"}
              aria-expanded={opened}
            />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="md" className={classes.navbar}>
        <Box visibleFrom="sm" mb="lg">
          <Group justify="space-between" wrap="nowrap" align="flex-start">
            <Brand />
            <Suspense>
              <Bell />
            </Suspense>
          </Group>
          <UnstyledButton className={classes.search} onClick={search} aria-keyshortcuts="/ Control+K Meta+K">
            <Icon name="search" size={16} />
            <span>Search</span>
            <Kbd size="xs" aria-hidden="true">{isApple ? "⌘ K" : "Ctrl K"}</Kbd>
          </UnstyledButton>
        </Box>
        <nav aria-label="Pages" className={classes.pages}>
          {PAGES.map((page) => (
            <NavLink
              key={page.path}
              component={Link}
              href={page.path}
              label={page.title}
              leftSection={<Icon name={page.icon} />}
              active={page === current}
              aria-current={page === current ? "page" : undefined}
              className={classes.link}
            />
          ))}
        </nav>
        <Person keys={keys} />
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1} className={classes.main}>
        <Box maw={1200} mx="auto">
          <Boundary key={path} search={query}>
            <Suspense fallback={<Loading rows={6} />}>
              <Switch>
                {PAGES.map(({ path, Page }) => (
                  <Route key={path} path={path === "/" ? "/" : `${path}/*?`}>
                    <Page />
                  </Route>
                ))}
                <Route component={NoSuchPage} />
              </Switch>
            </Suspense>
          </Boundary>
        </Box>
      </AppShell.Main>
      <AppShell.Footer hiddenFrom="sm" className={classes.footer}>
        <nav aria-label="Main pages" className={classes.quick}>
          {PAGES.filter(({ quick }) => quick).slice(0, QUICK).map((page) => (
            <Link
              key={page.path}
              href={page.path}
              className={classes.quickLink}
              aria-current={page === current ? "page" : undefined}
            >
              <Icon name={page.icon} />
              <span>{page.title}</span>
            </Link>
          ))}
          <UnstyledButton className={classes.quickLink} onClick={toggle} aria-expanded={opened}>
            <Icon name="menu" />
            <span>More</span>
          </UnstyledButton>
        </nav>
      </AppShell.Footer>
      <Suspense>
        {known.search && <Palette opened={dialog === "search"} close={hide} />}
        {known.keys && <Keys opened={dialog === "keys"} close={hide} />}
      </Suspense>
    </AppShell>
  );
}

/** @param isNarrow Leaves the host out, where there is no room for it. */
function Brand({ isNarrow = false }: { isNarrow?: boolean }) {
  return (
    <Group gap="xs" wrap="nowrap">
      <img src="./icon.svg" alt="" width={26} height={26} />
      <div className={isNarrow ? classes.brandRow : undefined} style={{ minWidth: 0 }}>
        <Text fw={700} lh={1.1}>Gatelink</Text>
        {!isNarrow && <Text size="xs" c="dimmed" lh={1.2} truncate>{new URL(project().url).host}</Text>}
        <Environment />
      </div>
    </Group>
  );
}

const SCHEMES: [scheme: "light" | "dark" | "auto", icon: IconName, label: string][] = [
  ["light", "sun", "Light"],
  ["dark", "moon", "Dark"],
  ["auto", "auto", "System"],
];

function Person({ keys }: { keys: () => void }) {
  const me = useMe();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <Stack gap="sm" className={classes.person}>
      <Group gap={4} role="group" aria-label="Colour scheme">
        {SCHEMES.map(([scheme, icon, label]) => (
          <UnstyledButton
            key={scheme}
            className={classes.scheme}
            aria-label={label}
            title={label}
            aria-pressed={colorScheme === scheme}
            onClick={() => setColorScheme(scheme)}
          >
            <Icon name={icon} size={16} />
          </UnstyledButton>
        ))}
        <UnstyledButton
          className={`${classes.scheme} ${classes.keys}`}
          aria-label="Keyboard shortcuts"
          title="Keyboard shortcuts"
          onClick={keys}
        >
          <Icon name="keyboard" size={18} />
        </UnstyledButton>
      </Group>
      <Group gap="xs" justify="space-between" wrap="nowrap">
        <div style={{ minWidth: 0 }}>
          <Text size="sm" truncate title={me.email}>{me.email}</Text>
          <State size="sm" tone={me.role === "viewer" ? "plain" : "good"}>{me.role}</State>
        </div>
        <UnstyledButton
          className={classes.scheme}
          aria-label="Sign out"
          title="Sign out"
          onClick={() => void signOut()}
        >
          <Icon name="leave" size={18} />
        </UnstyledButton>
      </Group>
    </Stack>
  );
}
