/**
 * The reader's location: everything after the `#`, so that any static host can serve every page and addresses
 * can be shared. `#/flags/deeplinks.enabled?tab=history` has the path `/flags/deeplinks.enabled` and the
 * search `tab=history`.
 */
import { useCallback, useSyncExternalStore } from "react";

const here = () => globalThis.location.hash.replace(/^#/, "") || "/";
const pathHere = () => here().split("?", 1)[0] || "/";
const searchHere = () => here().split("?").slice(1).join("?");

function listen(told: () => void): () => void {
  addEventListener("hashchange", told);
  return () => removeEventListener("hashchange", told);
}

/** Opens a page of the panel: `/flags?q=router`. `replace` replaces the current history entry. */
export function navigate(to: string, options: { replace?: boolean } = {}): void {
  if (to === here()) return;
  const url = new URL(globalThis.location.href);
  url.hash = to;
  if (options.replace) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  dispatchEvent(new HashChangeEvent("hashchange"));
}

/** The path, for wouter. */
export function useHashPath(): [string, typeof navigate] {
  return [useSyncExternalStore(listen, pathHere), navigate];
}
/** The `href` of wouter's links. */
useHashPath.hrefs = (href: string) => `#${href}`;

/** The search, for wouter. */
export function useHashSearch(): string {
  return useSyncExternalStore(listen, searchHere);
}

/**
 * A search parameter as state. Filters and open tabs are kept in it, so that a shared address shows what its
 * sender saw. The default value is left out of the address.
 */
export function useParameter(name: string, otherwise = ""): [string, (value: string) => void] {
  const value = new URLSearchParams(useHashSearch()).get(name) ?? otherwise;
  const set = useCallback((next: string) => {
    const parameters = new URLSearchParams(searchHere());
    if (next === otherwise) parameters.delete(name);
    else parameters.set(name, next);
    const search = parameters.toString();
    navigate(pathHere() + (search && `?${search}`), { replace: true });
  }, [name, otherwise]);
  return [value, set];
}
