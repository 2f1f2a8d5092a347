/**
 * The answers to visits.
 *
 * None may be kept: the next visit may be decided otherwise. A redirect leaves it to the page with the link what the page
 * after it learns of that: a policy of its own would take the place of a stricter one
 * (https://fetch.spec.whatwg.org/#http-redirect-fetch). What is shown here tells of the link no more than its origin.
 *
 * @module
 */
import type { LinkShown } from "../_shared/contract/http/links.ts";
import { type Problem, type ProblemCode, PROBLEMS } from "../_shared/http/problem.ts";
import type { Context } from "../_shared/serve/serve.ts";
import type { Link } from "../_shared/links/model/link.ts";
import { ANY_ORIGIN } from "../_shared/http/cors.ts";
import { type Page, passwordPage, refusalPage } from "../_shared/links/answer/pages.ts";
import { randomToken } from "../_shared/links/visitor/tokens.ts";

const NO_STORE: [string, string] = ["cache-control", "no-store"];
const REFERRER: [string, string] = ["referrer-policy", "strict-origin-when-cross-origin"];
const ROBOTS: [string, string] = ["x-robots-tag", "noindex"];

/** Sends the browser on. Takes the request id for the answer: this is what nearly all visits get. */
export function redirect(status: 302 | 303, location: string, context: Context, cookie?: string): Response {
  const headers: Record<string, string> = {
    location,
    "cache-control": "no-store",
    "x-request-id": context.takeId(),
  };
  if (cookie !== undefined) headers["set-cookie"] = cookie;
  return new Response(null, { status, headers });
}

/** The decision as JSON, for apps and for people. */
export function jsonAnswer(value: unknown, cookie?: string): Response {
  const headers: [string, string][] = [
    ["content-type", "application/json"],
    NO_STORE,
    REFERRER,
    ...Object.entries(ANY_ORIGIN),
  ];
  if (cookie !== undefined) headers.push(["set-cookie", cookie]);
  return new Response(JSON.stringify(value), { headers });
}

/** A page. */
export function page(status: number, make: (nonce: string) => Page, cookie?: string): Response {
  const { html, policy } = make(randomToken());
  const headers: [string, string][] = [
    ["content-type", "text/html; charset=utf-8"],
    ["content-security-policy", policy],
    ["x-content-type-options", "nosniff"],
    ["x-frame-options", "DENY"],
    NO_STORE,
    REFERRER,
    ROBOTS,
  ];
  if (cookie !== undefined) headers.push(["set-cookie", cookie]);
  return new Response(html, { status, headers });
}

/** Asks for the password. */
export function passwordForm(wrong: boolean): Response {
  return page(wrong ? 403 : 401, (nonce) => passwordPage(wrong, nonce));
}

/** What a visitor can do where a link cannot be used. Other refusals are no visitor's business. */
const ADVICE: Partial<Record<ProblemCode, string>> = {
  link_not_found: "Check the address: it may have a missing or extra character.",
  link_deleted: "Ask the sender for another one.",
  link_disabled: "It may work again later.",
  link_blocked: "Ask the sender for another one.",
  link_not_started: "Come back later.",
  link_expired: "Ask the sender for another one.",
  link_used_up: "Ask the sender for another one.",
  rate_limited: "Wait a while, and try again.",
};

/** Why a link cannot be used, as a page with the problem's status and headers; undefined where there is none for it. */
export function refusalAnswer({ code, status, headers }: Problem): Response | undefined {
  const advice = ADVICE[code];
  if (advice === undefined) return undefined;
  const answer = page(status, (nonce) => refusalPage(PROBLEMS[code].title, advice, nonce));
  for (const [name, value] of Object.entries(headers)) answer.headers.set(name, value);
  return answer;
}

/** What a link is about, for those whom it is only shown to. */
export function shown(link: Link, json: boolean, html: boolean, make: (nonce: string) => Page): Response {
  const { title = "Link", description } = link.preview ?? {};
  if (json) return jsonAnswer({ code: link.code, kind: "preview", title, description } satisfies LinkShown);
  if (html) return page(200, make);
  const headers: [string, string][] = [
    ["content-type", "text/plain; charset=utf-8"],
    NO_STORE,
    REFERRER,
    ROBOTS,
  ];
  return new Response([title, description].filter((text) => text !== undefined).join("\n") + "\n", {
    headers,
  });
}
