/**
 * The reader's location: everything after the `#`, so that any static host can serve every page and addresses
 * can be shared. `#/flags/deeplinks.enabled?tab=history` has the path `/flags/deeplinks.enabled` and the
 * search `tab=history`.
 */
import { useCallback, useSyncExternalStore } from "react";

const here = () => globalThis.location.hash.replace(/^#/, "") || "/";
const pathOf = (at: string) => at.split("?", 1)[0] || "/";
const searchOf = (at: string) => at.split("?").slice(1).join("?");
/** What unsaved changes belong to: a page, and an open tab of it. */
const placeOf = (at: string) => `${pathOf(at)} ${new URLSearchParams(searchOf(at)).get("tab") ?? ""}`;

/** The location that is shown. It differs from the browser's while somebody is asked whether to leave. */
let shown = here();
const pathShown = () => pathOf(shown);
const searchShown = () => searchOf(shown);

const told = new Set<() => void>();
function listen(tell: () => void): () => void {
  told.add(tell);
  return () => told.delete(tell);
}

/** Whether a page was opened whose heading has not been focused yet. */
let arriving = false;
/** Whether another page was opened since this was last asked. */
export function takeArrival(): boolean {
  const arrived = arriving;
  arriving = false;
  return arrived;
}

function show(to: string): void {
  if (pathOf(to) !== pathOf(shown)) arriving = true;
  shown = to;
  for (const tell of [...told]) tell();
}

/** Whether the person leaves. */
type Guard = () => Promise<boolean>;
const guards = new Set<Guard>();

/** Asks before another page is shown, until the returned function is called. */
export function guard(asks: Guard): () => void {
  guards.add(asks);
  return () => guards.delete(asks);
}

const isGuarded = (to: string) => guards.size > 0 && placeOf(to) !== placeOf(shown);

async function maySwitch(): Promise<boolean> {
  for (const asks of [...guards]) if (!await asks()) return false;
  return true;
}

// A link, the back button, or an address typed by hand.
addEventListener("hashchange", () => {
  const to = here();
  if (to === shown) return;
  if (!isGuarded(to)) return show(to);
  // The browser has gone there already.
  history.pushState(null, "", addressOf(shown));
  void maySwitch().then((leaves) => leaves && go(to, {}));
});

function addressOf(to: string): URL {
  const url = new URL(globalThis.location.href);
  url.hash = to;
  return url;
}

function go(to: string, { replace }: { replace?: boolean }): void {
  if (replace) history.replaceState(null, "", addressOf(to));
  else history.pushState(null, "", addressOf(to));
  // As the browser writes it.
  show(here());
}

/** Opens a page of the panel: `/flags?q=router`. `replace` replaces the current history entry. */
export function navigate(to: string, options: { replace?: boolean } = {}): void {
  if (to === shown) return;
  if (!isGuarded(to)) return go(to, options);
  void maySwitch().then((leaves) => leaves && go(to, options));
}

/** Id of the list of flags with their brakes on the overview. */
export const BRAKES = "brakes";

/** The path, for wouter. */
export function useHashPath(): [string, typeof navigate] {
  return [useSyncExternalStore(listen, pathShown), navigate];
}
/** The `href` of wouter's links. */
useHashPath.hrefs = (href: string) => `#${href}`;

/** The search, for wouter. */
export function useHashSearch(): string {
  return useSyncExternalStore(listen, searchShown);
}

/**
 * A search parameter as state. Filters and open tabs are kept in it, so that a shared address shows what its
 * sender saw. The default value is left out of the address.
 */
export function useParameter(name: string, otherwise = ""): [string, (value: string) => void] {
  const value = new URLSearchParams(useHashSearch()).get(name) ?? otherwise;
  const set = useCallback((next: string) => {
    const parameters = new URLSearchParams(searchShown());
    if (next === otherwise) parameters.delete(name);
    else parameters.set(name, next);
    const search = parameters.toString();
    navigate(pathShown() + (search && `?${search}`), { replace: true });
  }, [name, otherwise]);
  return [value, set];
}
