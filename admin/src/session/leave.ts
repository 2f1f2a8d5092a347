/** Signing out, and what is remembered of a session that ended. */
import { client } from "../data/client.ts";
import { forgetDrafts } from "./draft.ts";

/** Tells the other tabs that the person signed out, which no event of supabase-js tells from a session that ended. */
const CHANNEL = "gatelink-session";

/** Why the sign-in is shown to somebody who was signed in. */
export type Ended = "left" | "expired";

let left = false;

/** Signs the person out, in all tabs. Drafts are deleted. */
export async function signOut(): Promise<void> {
  left = true;
  forgetDrafts();
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage("left");
  channel.close();
  await client().auth.signOut();
}

/** Listens for a sign-out in another tab, until the returned function is called. */
export function watchSignOuts(): () => void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = () => {
    left = true;
    forgetDrafts();
  };
  return () => channel.close();
}

/** Why the session that was here is over. Asked once for each end. */
export function endOf(): Ended {
  const ended = left ? "left" : "expired";
  left = false;
  return ended;
}

const PLACE = "gatelink-place";
/** How long a mailed link opens the page on which it was asked for, in milliseconds: as long as the link lasts. */
const PLACE_MS = 3_600_000;

/** Remembers the address that is shown, for a sign-in by a mailed link, which opens in a new tab. */
export function keepPlace(): void {
  localStorage.setItem(PLACE, JSON.stringify({ at: Date.now(), hash: location.hash }));
}

/** The address that was remembered, once: `#/routes`; undefined for none or an old one. */
export function takePlace(): string | undefined {
  const kept = localStorage.getItem(PLACE);
  localStorage.removeItem(PLACE);
  if (kept === null) return undefined;
  const { at, hash } = JSON.parse(kept) as { at: number; hash: string };
  return Date.now() - at < PLACE_MS && hash.startsWith("#/") ? hash : undefined;
}
