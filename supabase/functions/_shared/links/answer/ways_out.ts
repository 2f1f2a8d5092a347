/**
 * Ways out of an in-app browser.
 *
 * @module
 */
import type { Link } from "../model/link.ts";
import type { Visit } from "../visitor/visit.ts";
import type { Place, Ways } from "./address.ts";
import type { WaysOut } from "./pages.ts";

/**
 * Addresses for leaving an in-app browser: into the app, into a real browser, and to what this browser can show itself.
 * A real browser visits the link again, which then opens the app; if that would take a second use, it opens the page
 * directly.
 *
 * @param url The link's own address.
 */
export function waysOut(ways: Ways, { location }: Place, visit: Visit, link: Link, url: string): WaysOut {
  const again = link.limited || link.password
    ? undefined
    : `${url}${visit.query === "" ? "" : `?${visit.query}`}`;
  const page = again ?? ways.page;
  return {
    app: ways.app,
    browser: page === undefined ? undefined : browserUrl(page, visit),
    here: location === ways.app ? undefined : location,
  };
}

/** An address that opens a web page in the phone's own browser: Safari's scheme since iOS 17, an intent on Android. */
function browserUrl(url: string, { platform }: Visit): string | undefined {
  if (!/^https?:/.test(url)) return undefined;
  if (platform === "ios") return `x-safari-${url}`;
  const [, scheme, rest] = /^(https?):\/\/([^#]*)/.exec(url)!;
  return `intent://${rest}#Intent;scheme=${scheme};action=android.intent.action.VIEW;` +
    `category=android.intent.category.BROWSABLE;end`;
}
