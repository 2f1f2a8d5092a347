/** Signing out, and what is remembered of a session that ended. */
import { client } from "../data/client.ts";
import { navigate } from "../ui/location.ts";
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

/** Whether this document was opened by a mailed link. Read before supabase-js takes the token out of the address. */
let isByLink = /[#&]access_token=/.test(location.hash);

/** Where the panel was opened by a mailed link: goes to the address on which the link was asked for, once. */
export function returnToPlace(): void {
  const kept = localStorage.getItem(PLACE);
  if (!isByLink || kept === null) return;
  isByLink = false;
  localStorage.removeItem(PLACE);
  const { at, hash } = JSON.parse(kept) as { at: number; hash: string };
  if (Date.now() - at < PLACE_MS && hash.startsWith("#/")) navigate(hash.slice(1), { replace: true });
}
