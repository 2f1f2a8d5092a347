/**
 * Ways out of an in-app browser, and on from a link that has ended.
 *
 * @module
 */
import type { Rules } from "../model/rules.ts";
import type { Link } from "../model/link.ts";
import type { Visit } from "../visitor/visit.ts";
import type { Place, Ways } from "./address.ts";
import type { WaysOn, WaysOut } from "./pages.ts";

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

/**
 * The site that a link led to, for people who come when it has ended: its page's home page, else a chat with its number.
 * Undefined if the link has a password, which hides where it leads, or if the place may not be visited now. A store's
 * home page is none of the team's.
 */
export function siteOf(link: Link, rules: Rules): WaysOn["goOn"] {
  const { web, chat } = link;
  if (link.password) return undefined;
  if (web?.kind === "web" && web.permitted(rules) && web.own === undefined) {
    const { origin, host } = new URL(web.url);
    return { url: `${origin}/`, text: host };
  }
  const number = chat?.permitted(rules) ? rules.numbers.get(chat.numberId) : undefined;
  return number === undefined ? undefined : { url: `https://wa.me/${number}`, text: "WhatsApp" };
}
