/**
 * Addresses that links may lead to, and how they are put together.
 *
 * A part that was not checked never stands before the first "/", "?" or "#" after the host: what is added later
 * (campaign parameters, the visit's own, tokens) goes into the query, encoded, and cannot change where it leads.
 *
 * @module
 */
import { PACKAGE } from "../../contract/link_limits.ts";
import { MAX_URL, permit } from "../../delivery/allowlist.ts";
import type { Rules } from "./rules.ts";

/** The answer to "may a link lead there". */
export type UrlCheck =
  | { readonly ok: true; readonly url: string }
  | { readonly ok: false; readonly why: string };

/**
 * Whether a link may lead to a web address: https, a host that an admin allowed, nothing clever. A part after "#" is
 * the page's own business and stays.
 *
 * Failure policy: closed.
 *
 * @returns The address as browsers write it: ASCII, host in lower case.
 */
export function checkWeb(url: string, rules: Rules): UrlCheck {
  const hash = url.indexOf("#");
  const permission = permit(hash < 0 ? url : url.slice(0, hash), rules.allowlist, {
    allowLoopback: rules.allowLoopback,
  });
  if (!permission.ok) return { ok: false, why: permission.why };
  if (permission.url.href.length > MAX_URL) return { ok: false, why: TOO_LONG };
  if (hash < 0) return { ok: true, url: permission.url.href };
  // What is no ASCII is written as browsers send it; what is stays byte for byte.
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

/** It is stored as browsers encode it, and has to pass again at each visit and change. */
const TOO_LONG = `is longer than ${MAX_URL} characters as browsers encode it`;

/**
 * Longest address that a visit is sent to, in characters of ASCII. A proxy keeps all headers of an answer in one buffer:
 * docs/deploy.md gives it 16 KiB, which leaves room for the others.
 */
export const MAX_LOCATION = 12_000;

/** Why an address cannot be sent to visitors; undefined for one that can. */
export function tooLongToSend(location: string): string | undefined {
  return location.length > MAX_LOCATION
    ? `is longer than ${MAX_LOCATION} characters as browsers encode it: letters that are not ASCII count up to nine`
    : undefined;
}

const PRINTABLE = /^[!-~]*$/;

/**
 * Whether a link may open an app by this address: one of a web host that is allowed, or of a scheme that the setting
 * `deeplinks.app_schemes` names.
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

/** Adds parameters to a checked address; those that it has already stay as they are. */
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
  // Too long for some server on the way: without the additions it still leads where it should.
  return joined.length > MAX_JOINED ? url : joined;
}

/** Longest address with what was added to it. */
const MAX_JOINED = 6000;

/** Parameters of a visit that are ours alone and are not handed on; `u` may be a mail tool's as well. */
const OURS = new Set(["gl_sig", "gl_open", "gl_platform", "gl_hop", "explain"]);

/** Adds the parameters of a visit, byte for byte; those that the address has already stay as they are. */
export function withQuery(url: string, query: string): string {
  if (query === "") return url;
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

/** What may stand in a query as it is (RFC 3986, with what browsers leave in it); never a "#", space or control. */
const SENDABLE = /^[!$-;=?-~]*$/;

/**
 * Android's address for "open this in that app, else go there". Everything in it was checked; the fallback is
 * encoded whole, so it cannot end the part that it stands in.
 */
export function intentUrl(url: string, packageName: string, fallback: string | undefined): string {
  // Android looks for the last "#": what a page has after its own goes along.
  const [, scheme, rest] = /^([a-z][a-z0-9+.-]*):(?:\/\/)?(.*)/s.exec(url)!;
  const data = rest.replace(/#(?=Intent;)/gi, "%23");
  const end = fallback === undefined ? "" : `S.browser_fallback_url=${encodeURIComponent(fallback)};`;
  return `intent://${data}#Intent;scheme=${scheme};package=${packageName};${end}end`;
}

/** Words of a chat with or without the token, encoded, as `head + token + tail`; `plain` is the whole without one. */
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
