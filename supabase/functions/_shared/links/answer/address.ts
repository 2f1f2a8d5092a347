/**
 * Computes the address for a target that was decided on.
 *
 * @module
 */
import type { AppTarget, ChatTarget, Link, Target, WebTarget } from "../model/link.ts";
import { withHop } from "../model/own.ts";
import type { Rules } from "../model/rules.ts";
import {
  intentUrl,
  isPlay,
  MAX_LOCATION,
  withAppParams,
  withQuery,
  withReferrer,
  withStoreQuery,
} from "../model/urls.ts";
import type { Visit } from "../visitor/visit.ts";

/** Where the browser is redirected. */
export interface Place {
  readonly kind: Target["kind"];
  readonly location: string;
  /** The address to open if the app that `location` opens is not installed. */
  readonly otherwise?: string;
  /** Options for a visitor in an in-app browser, where `location` is what that browser can show. */
  readonly ways?: Ways;
  /** Whether only a tap opens the app: for a universal link, which is a page by itself and never returns here. */
  readonly byTap?: true;
}

/** Ways from an in-app browser into another app, each by a tap. */
export interface Ways {
  /** Opens the app, if the browser allows it. */
  readonly app: string;
  /** The page that opens in a real browser; undefined for the link itself. */
  readonly page: string | undefined;
}

/** Whether a visit of this place gets a token, to bring back or for an app's first open to find. */
export function wantsToken(target: Target, link: Link, visit: Visit): boolean {
  return (target.kind !== "web" || link.fingerprint) && visit.verdict === "human";
}

/**
 * The address of a target that the rules permit.
 *
 * @param token The token that the visitor brings back; undefined for none.
 * @param plain Whether the caller opens the address itself: then it is the app's own, never one that only a browser
 * understands.
 */
export function placeOf(
  target: Target,
  link: Link,
  visit: Visit,
  rules: Rules,
  token: string | undefined,
  plain = false,
): Place {
  switch (target.kind) {
    case "web":
      return { kind: "web", location: ofTarget(target, link, visit) };
    case "store":
      return { kind: "store", location: storeUrl(ofTarget(target, link, visit), token) };
    case "whatsapp":
      return { kind: "whatsapp", location: chatUrl(target, token) };
    case "app":
      return appPlace(target, link, visit, rules, token, plain);
  }
}

/** The address of a page or app, with the parameters that the visit adds. */
function ofTarget(target: WebTarget | AppTarget, link: Link, visit: Visit): string {
  const pass = target.kind === "store" ? withStoreQuery : withQuery;
  const url = link.passQuery ? pass(target.url, visit.query) : target.url;
  return target.own === undefined ? url : withHop(url, visit);
}

function chatUrl({ address }: ChatTarget, token: string | undefined): string {
  const { head, tail, plain } = address!;
  return token === undefined ? plain : head + token + tail;
}

/** Name of the parameter in which an app finds the token: in its address, and in Play's install referrer. */
const TOKEN_PARAM = "gl_token";

function appPlace(
  target: AppTarget,
  link: Link,
  visit: Visit,
  rules: Rules,
  token: string | undefined,
  plain: boolean,
): Place {
  const fallback = fallbackOf(target, link, visit, rules, token);
  // Only people's browsers open apps.
  if (visit.verdict !== "human" && fallback !== undefined && !target.universal) {
    return { kind: "app", location: fallback };
  }
  const whole = withToken(ofTarget(target, link, visit), token);
  const intent = !plain && visit.platform === "android" && target.packageName !== undefined && !visit.firefox;
  const opened = (url: string) => intent ? intentUrl(url, target.packageName!, fallback) : url;
  // Too long for some server on the way: without the visit's parameters it still reaches the right place.
  const url = opened(whole).length > MAX_LOCATION ? withToken(target.url, token) : whole;
  const app = opened(url).length > MAX_LOCATION
    ? intentUrl(url, target.packageName!, undefined)
    : opened(url);
  if (!plain && visit.inApp !== undefined && PHONES.has(visit.platform)) {
    // In-app browsers open no other app by themselves, and support neither its scheme nor intent://.
    const page = target.universal ? url : undefined;
    return { kind: "app", location: page ?? fallback ?? url, ways: { app, page } };
  }
  if (intent) return { kind: "app", location: app };
  if (fallback === undefined) return { kind: "app", location: url };
  if (!target.universal) return { kind: "app", location: url, otherwise: fallback };
  // Except on phones, visitors want the page.
  return target.fallback !== undefined && PHONES.has(visit.platform)
    ? { kind: "app", location: url, otherwise: fallback, byTap: true }
    : { kind: "app", location: url };
}

const PHONES: ReadonlySet<string> = new Set(["ios", "android"]);

function withToken(url: string, token: string | undefined): string {
  return token === undefined ? url : withAppParams(url, [[TOKEN_PARAM, token]]);
}

/** Where visitors without the app go: its store or page, the link's page, or its chat. */
function fallbackOf(
  target: AppTarget,
  link: Link,
  visit: Visit,
  rules: Rules,
  token: string | undefined,
): string | undefined {
  const web = target.fallback ?? link.web;
  if (web !== undefined) {
    return web.permitted(rules) ? storeUrl(ofTarget(web, link, visit), token) : undefined;
  }
  return link.chat?.permitted(rules) ? chatUrl(link.chat, token) : undefined;
}

/** Google Play passes the parameter `referrer` to the app that is installed from there. */
function storeUrl(url: string, token: string | undefined): string {
  return token !== undefined && isPlay(url) ? withReferrer(url, [[TOKEN_PARAM, token]]) : url;
}
