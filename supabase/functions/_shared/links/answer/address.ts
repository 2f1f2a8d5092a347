/**
 * The address of a place that was decided on.
 *
 * @module
 */
import type { AppTarget, Link, Target } from "../model/link.ts";
import type { Rules } from "../model/rules.ts";
import { intentUrl, withParams, withQuery } from "../model/urls.ts";
import type { Visit } from "../visitor/visit.ts";

/** Where the browser is sent. */
export interface Place {
  readonly kind: Target["kind"];
  readonly location: string;
  /** Where to go when the app that `location` opens is not there; only with an app's own scheme. */
  readonly otherwise?: string;
}

/** Whether a visit of this place is given a token to bring back. */
export function wantsToken(target: Target, visit: Visit): boolean {
  return target.kind !== "web" && visit.verdict === "human";
}

/**
 * The address of a target that the rules permit.
 *
 * @param token What the visitor brings back; undefined for none.
 * @param plain Whether the caller opens the address itself: an app's own, and none that only a browser understands.
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
      return { kind: "web", location: link.passQuery ? withQuery(target.url, visit.query) : target.url };
    case "store":
      return {
        kind: "store",
        location: storeUrl(link.passQuery ? withQuery(target.url, visit.query) : target.url, token),
      };
    case "whatsapp": {
      const { head, tail, plain } = target.address!;
      return { kind: "whatsapp", location: token === undefined ? plain : head + token + tail };
    }
    case "app":
      return appPlace(target, link, visit, rules, token, plain);
  }
}

/** Name under which an app finds the token: in its address, and in Play's install referrer. */
const TOKEN_PARAM = "gl_token";

function appPlace(
  target: AppTarget,
  link: Link,
  visit: Visit,
  rules: Rules,
  token: string | undefined,
  plain: boolean,
): Place {
  const web = target.fallback ?? link.web;
  const fallback = web?.permitted(rules) ? storeUrl(web.url, token) : undefined;
  // What is no human's browser opens no app.
  if (visit.verdict !== "human" && fallback !== undefined && !target.universal) {
    return { kind: "app", location: fallback };
  }
  const passed = link.passQuery ? withQuery(target.url, visit.query) : target.url;
  const url = token === undefined ? passed : withParams(passed, [[TOKEN_PARAM, token]]);
  if (!plain && visit.platform === "android" && target.packageName !== undefined && !visit.firefox) {
    return { kind: "app", location: intentUrl(url, target.packageName, fallback) };
  }
  return target.universal || fallback === undefined
    ? { kind: "app", location: url }
    : { kind: "app", location: url, otherwise: fallback };
}

/** Google Play hands the parameter `referrer` to the app that is installed from there; what it holds stays. */
function storeUrl(url: string, token: string | undefined): string {
  if (token === undefined || !url.startsWith("https://play.google.com/")) return url;
  const mine = `${TOKEN_PARAM}=${token}`;
  if (!url.includes("referrer=")) return withParams(url, [["referrer", mine]]);
  const whole = new URL(url);
  const own = whole.searchParams.get("referrer");
  if (own === null) return withParams(url, [["referrer", mine]]);
  whole.searchParams.set("referrer", own === "" ? mine : `${own}&${mine}`);
  return whole.href;
}
