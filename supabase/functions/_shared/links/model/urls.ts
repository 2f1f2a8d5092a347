/**
 * Checks and builds the addresses that links may lead to.
 *
 * An unchecked part never stands before the first "/", "?" or "#" after the host: everything added later (campaign
 * parameters, the visit's own, tokens) goes into the query, encoded, and cannot change the destination.
 *
 * @module
 */
import { PACKAGE } from "../../contract/link_limits.ts";
import { MAX_URL, permit } from "../../delivery/allowlist.ts";
import type { Rules } from "./rules.ts";

/** The result of checking whether a link may lead to an address. */
export type UrlCheck =
  | { readonly ok: true; readonly url: string }
  | { readonly ok: false; readonly why: string };

/**
 * Whether a link may lead to a web address: https, a host that an admin allowed, no ambiguous syntax. The fragment
 * after "#" is kept unchanged.
 *
 * Failure policy: closed.
 *
 * @returns The address as browsers write it: ASCII, host in lower case.
 */
export function checkWeb(url: string, rules: Rules): UrlCheck {
  const scheme = SCHEME.exec(url)?.[1].toLowerCase();
  if (scheme !== undefined && scheme !== "https" && scheme !== "http") {
    return {
      ok: false,
      why: `has the scheme ${scheme}; a page has https, and an app's address goes into a target's "app"`,
    };
  }
  const hash = url.indexOf("#");
  const permission = permit(hash < 0 ? url : url.slice(0, hash), rules.allowlist, {
    allowLoopback: rules.allowLoopback,
  });
  if (!permission.ok) return { ok: false, why: permission.why };
  if (permission.url.href.length > MAX_URL) return { ok: false, why: TOO_LONG };
  if (hash < 0) return { ok: true, url: permission.url.href };
  // Non-ASCII parts are encoded as browsers send them; ASCII stays byte for byte.
  const given = url.slice(hash);
  const fragment = !PRINTABLE.test(given) && !/[\p{Cc} ]/u.test(given)
    ? new URL(`https://fragment.invalid/${given}`).hash
    : given;
  if (!PRINTABLE.test(fragment)) return { ok: false, why: 'has odd characters after the "#"' };
  if (permission.url.href.length + fragment.length > MAX_URL) {
    return { ok: false, why: TOO_LONG };
  }
  return { ok: true, url: permission.url.href + fragment };
}

/** A scheme, not the host and port of an address without one. */
const SCHEME = /^([a-z][a-z0-9+.-]{0,49}):(?!\d)/i;

/** The encoded address is stored, and is checked again at each visit and change. */
const TOO_LONG = `is longer than ${MAX_URL} characters as browsers encode it`;

/**
 * Longest address that a visit is redirected to, in ASCII characters. A proxy holds all headers of an answer in one
 * buffer: docs/deploy.md sets it to 16 KiB, which leaves room for the other headers.
 */
export const MAX_LOCATION = 12_000;

/** Why an address is too long to be sent to visitors; undefined if it is not. */
export function tooLongToSend(location: string): string | undefined {
  return location.length > MAX_LOCATION
    ? `is longer than ${MAX_LOCATION} characters as browsers encode it: letters that are not ASCII count up to nine`
    : undefined;
}

const PRINTABLE = /^[!-~]*$/;

/**
 * Whether a link may open an app by this address: one on an allowed web host, or with a scheme listed in the setting
 * `deeplinks.app_schemes`.
 */
export function checkApp(url: string, rules: Rules): UrlCheck {
  if (/^https?:/i.test(url)) return checkWeb(url, rules);
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1].toLowerCase();
  if (scheme === undefined) return { ok: false, why: "is not written in full, like myapp://product/1" };
  if (url.length > MAX_URL || !PRINTABLE.test(url) || /[\\"<>`^{|}]/.test(url)) {
    return { ok: false, why: "has spaces or odd characters, or is too long" };
  }
  if (!URL.canParse(url)) return { ok: false, why: "is not a URL" };
  if (!rules.schemes.has(scheme)) return { ok: false, why: `has the scheme ${scheme}, which is not allowed` };
  return { ok: true, url: scheme + url.slice(scheme.length) };
}

/** Whether this is one of the team's own Android apps. */
export function checkPackage(name: string, rules: Rules): boolean {
  return PACKAGE.test(name) && rules.apps.android.some((app) => app.package === name);
}

/** Adds parameters to a checked address; existing ones are not changed. */
export function withParams(url: string, params: Iterable<readonly [string, string]>): string {
  const hash = url.indexOf("#");
  const head = hash < 0 ? url : url.slice(0, hash);
  const mark = head.indexOf("?");
  const present = new URLSearchParams(mark < 0 ? "" : head.slice(mark + 1));
  const added = new URLSearchParams();
  for (const [name, value] of params) if (!present.has(name)) added.append(name, value);
  const query = added.toString();
  if (query === "") return url;
  const join = mark < 0 ? "?" : head.endsWith("?") || head.endsWith("&") ? "" : "&";
  const joined = head + join + query + (hash < 0 ? "" : url.slice(hash));
  // Too long for some server on the way: without the additions it still reaches the right place.
  return joined.length > MAX_JOINED ? url : joined;
}

/** Maximum length of an address with additions. */
const MAX_JOINED = 6000;

const PLAY =
  /^(?:https:\/\/play\.google\.com\/store\/apps\/details|https:\/\/market\.android\.com\/details|market:\/\/details)(?=[?#]|$)/i;
const APP_STORE = /^https:\/\/(?:apps|itunes)\.apple\.com\/(?:[^?#]*\/)?id\d+(?=[/?#]|$)/i;

/** Whether this is exactly an app's page in Google Play, which passes `referrer` to the app. */
export function isPlay(url: string): boolean {
  return PLAY.test(url);
}

/** Whether this is an app's page in a store. */
export function isStore(url: string): boolean {
  return PLAY.test(url) || APP_STORE.test(url);
}

/**
 * Adds parameters to the `referrer` of a page in Google Play; its existing content and the rest of the address stay
 * byte for byte.
 */
export function withReferrer(url: string, params: Iterable<readonly [string, string]>): string {
  const hash = url.indexOf("#");
  const head = hash < 0 ? url : url.slice(0, hash);
  const mark = head.indexOf("?");
  const pairs = mark < 0 ? [] : head.slice(mark + 1).split("&");
  const at = pairs.findIndex((pair) => new URLSearchParams(pair).has("referrer"));
  const own = at < 0 ? "" : pairs[at].slice(pairs[at].indexOf("=") + 1 || pairs[at].length);
  const present = new URLSearchParams(new URLSearchParams(`own=${own}`).get("own")!);
  const added = new URLSearchParams();
  for (const [name, value] of params) if (!present.has(name)) added.append(name, value);
  if (added.size === 0) return url;
  const referrer = `referrer=${own === "" ? "" : `${own}%26`}${encodeURIComponent(added.toString())}`;
  const joined = `${mark < 0 ? head : head.slice(0, mark)}?${
    (at < 0 ? [...pairs.filter((pair) => pair !== ""), referrer] : pairs.with(at, referrer)).join("&")
  }${hash < 0 ? "" : url.slice(hash)}`;
  return joined.length > MAX_JOINED ? url : joined;
}

/** System schemes, whose addresses name a person or a place: an addition would be dialled or sent. */
const SYSTEM = /^(?:tel|callto|sms|smsto|mms|mmsto|mailto|geo|facetime|facetime-audio|sip|sips|xmpp):/i;

/** Adds parameters to an app's address where the app can read them. */
export function withAppParams(url: string, params: readonly (readonly [string, string])[]): string {
  if (SYSTEM.test(url)) return url;
  return isPlay(url) ? withReferrer(url, params) : withParams(url, params);
}

/** Our own parameters of a visit, which are not passed on; `u` may also belong to a mail tool. */
const OURS = new Set(["gl_sig", "gl_open", "gl_token", "gl_platform", "gl_hop", "gl_own", "explain"]);

/** Adds the parameters of a visit, byte for byte; parameters that the address already has are not changed. */
export function withQuery(url: string, query: string): string {
  if (query === "" || SYSTEM.test(url)) return url;
  const hash = url.indexOf("#");
  const head = hash < 0 ? url : url.slice(0, hash);
  const mark = head.indexOf("?");
  const present = new URLSearchParams(mark < 0 ? "" : head.slice(mark + 1));
  const added = query.split("&").flatMap((pair) => {
    const parsed = new URLSearchParams(pair);
    const [name] = [...parsed.keys()];
    if (name === undefined || name === "" || OURS.has(name) || present.has(name)) return [];
    return SENDABLE.test(pair) ? pair : parsed.toString();
  }).join("&");
  if (added === "") return url;
  const join = mark < 0 ? "?" : head.endsWith("?") || head.endsWith("&") ? "" : "&";
  const joined = head + join + added + (hash < 0 ? "" : url.slice(hash));
  return joined.length > MAX_JOINED ? url : joined;
}

/**
 * Like {@linkcode withQuery}, for a page in a store: in Google Play, parameters that Play does not read itself are also
 * added where the app can read them.
 */
export function withStoreQuery(url: string, query: string): string {
  const passed = withQuery(url, query);
  if (query === "" || !isPlay(url)) return passed;
  const read = [...new URLSearchParams(query)].filter(([name]) =>
    name !== "" && !OURS.has(name) && !PLAYS_OWN.has(name)
  );
  return withReferrer(passed, read);
}

/** Google Play's own parameters. */
const PLAYS_OWN = new Set(["id", "hl", "gl", "referrer", "listing", "launch", "url", "pli", "rdid"]);

/**
 * Characters that may stand in a query unescaped (RFC 3986, plus those that browsers leave); never "#", space or
 * controls.
 */
const SENDABLE = /^[!$-;=?-~]*$/;

/**
 * Android's address for "open this in that app, else go there". Every part was checked; the fallback is encoded whole,
 * so it cannot end its part.
 */
export function intentUrl(url: string, packageName: string, fallback: string | undefined): string {
  // An address without "//" stays without it. Android uses the last "#", so a page's own fragment is passed along.
  const colon = url.indexOf(":");
  const data = url.slice(colon + 1).replace(/#(?=Intent;)/gi, "%23");
  const end = fallback === undefined ? "" : `S.browser_fallback_url=${encodeURIComponent(fallback)};`;
  return `intent:${data}#Intent;scheme=${url.slice(0, colon)};package=${packageName};${end}end`;
}

/**
 * A chat's text with or without the token, encoded: `head + token + tail`; `plain` is the whole text without a token.
 */
export interface ChatAddress {
  readonly head: string;
  readonly tail: string;
  readonly plain: string;
}

/** The address that opens a chat with a number (digits) and a text. */
export function chatAddress(number: string, text: string, template: string): ChatAddress {
  // A text that places the token itself needs no template.
  const whole = text.includes("{ref}") ? text : template.replace("{text}", () => text);
  const at = whole.indexOf("{ref}");
  const before = whole.slice(0, at), after = whole.slice(at + "{ref}".length).replaceAll("{ref}", "");
  const plain = (before.trimEnd() + after).trim();
  const start = `https://wa.me/${number}`;
  return {
    head: `${start}?text=${encodeURIComponent(before.trimStart())}%5Bref%3A`,
    tail: `%5D${encodeURIComponent(after.trimEnd())}`,
    plain: plain === "" ? start : `${start}?text=${encodeURIComponent(plain)}`,
  };
}
