/**
 * The keys that work on every page. Keys without a modifier can be turned off, as WCAG 2.1.4 asks: somebody who dictates
 * presses many by accident.
 */
import { useEffect } from "react";
import { navigate } from "../ui/location.ts";
import { PAGES } from "./pages.ts";

const KEPT = "gatelink-single-keys";

/** Whether keys without a modifier do something, in this browser. */
export const singleKeys = (): boolean => {
  try {
    return localStorage.getItem(KEPT) !== "off";
  } catch {
    return true;
  }
};

/** Turns keys without a modifier on or off. */
export function setSingleKeys(isOn: boolean): void {
  try {
    if (isOn) localStorage.removeItem(KEPT);
    else localStorage.setItem(KEPT, "off");
  } catch {
    // A browser that stores nothing forgets it with the page.
  }
}

/** Whether the browser runs on a system of Apple's, whose key for commands is ⌘. */
export const isApple = /Mac|iPhone|iPad/.test(navigator.userAgent);

/** How long the second key of a pair may take, in milliseconds. */
const PAIR_MS = 1_500;

interface Uses {
  /** Opens the search. */
  search: () => void;
  /** Shows the keys. */
  help: () => void;
}

/** Listens for the keys while the shell is shown. */
export function useShortcuts({ search, help }: Uses): void {
  useEffect(() => {
    let began = -Infinity;
    const press = (event: KeyboardEvent) => {
      if (
        event.key.toLowerCase() === "k" && (event.metaKey || event.ctrlKey) && !event.altKey &&
        !event.shiftKey
      ) {
        event.preventDefault();
        return search();
      }
      if (event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented || isTaken(event.target)) {
        return;
      }
      if (!singleKeys()) return;
      const isSecond = performance.now() - began < PAIR_MS;
      began = -Infinity;
      if (isSecond) {
        const page = PAGES.find(({ key }) => key === event.key);
        if (!page) return;
        event.preventDefault();
        navigate(page.path);
      } else if (event.key === "/") {
        // Firefox searches within the page.
        event.preventDefault();
        search();
      } else if (event.key === "?") {
        help();
      } else if (event.key === "g") {
        began = performance.now();
      }
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, [search, help]);
}

/** Whether the key belongs to what has the focus: a field, a choice, or a dialog. */
const isTaken = (target: EventTarget | null): boolean =>
  target instanceof Element &&
  target.closest(
      "input, textarea, select, [contenteditable=true], [role=dialog], [role=listbox], [role=menu]",
    ) !==
    null;
