/**
 * The answers to visits.
 *
 * No answer may be cached, since the next visit may be decided differently. A redirect sets no referrer policy: the
 * page with the link decides what the next page learns, and a policy set here would replace a stricter one
 * (https://fetch.spec.whatwg.org/#http-redirect-fetch). Pages shown here reveal only the link's origin.
 *
 * @module
 */
import type { LinkShown } from "../_shared/contract/http/links.ts";
import type { Problem, ProblemCode } from "../_shared/http/problem.ts";
import type { Context } from "../_shared/serve/serve.ts";
import type { Link } from "../_shared/links/model/link.ts";
import { ANY_ORIGIN } from "../_shared/http/cors.ts";
import type { Page } from "../_shared/links/answer/page.ts";
import { type CodeField, passwordPage, refusalPage, type WaysOn } from "../_shared/links/answer/pages.ts";
import { type Refused, wordsFor } from "../_shared/links/answer/page_words.ts";
import { randomToken } from "../_shared/crypto/tokens.ts";

const NO_STORE: [string, string] = ["cache-control", "no-store"];
const REFERRER: [string, string] = ["referrer-policy", "strict-origin-when-cross-origin"];
const ROBOTS: [string, string] = ["x-robots-tag", "noindex"];

/** Redirects the browser. Takes the request id for the answer, since nearly all visits are answered this way. */
export function redirect(status: 302 | 303, location: string, context: Context, cookie?: string): Response {
  const response = new Response(null, { status });
  // One by one: a list given to the constructor takes twice as long.
  const { headers } = response;
  headers.append("location", location);
  headers.append("cache-control", "no-store");
  headers.append("x-request-id", context.takeId());
  if (cookie !== undefined) headers.append("set-cookie", cookie);
  return response;
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

/** Answers with a page. */
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

/** Answers with the form that asks for the password. */
export function passwordForm(wrong: boolean, { headers }: Request): Response {
  return page(
    wrong ? 403 : 401,
    (nonce) => passwordPage(wrong, wordsFor(headers.get("accept-language")), nonce),
  );
}

/** Codes whose page says only that the service is unavailable. Visitors see only these codes and those of `Refused`. */
const UNAVAILABLE: ReadonlySet<ProblemCode> = new Set<ProblemCode>([
  "database_unavailable",
  "database_read_only",
  "disabled_by_environment",
  "internal_error",
  "overloaded",
  "schema_outdated",
  "schema_too_new",
]);

/** Temporary refusals, after which the same address may work. */
const WORKS_LATER: ReadonlySet<ProblemCode> = new Set<ProblemCode>(["link_disabled", "link_not_started"]);

/** Refusals of addresses that people may have mistyped. */
const MISTYPED: ReadonlySet<ProblemCode> = new Set<ProblemCode>(["not_found", "link_not_found"]);

/** Where people can continue from an address that leads nowhere. */
export interface Alternatives {
  /** The team's page. */
  readonly home: string | undefined;
  /** Where the link itself led. */
  readonly site: WaysOn["goOn"];
  readonly field: CodeField;
}

/**
 * A page that says why an address leads nowhere, with the problem's status and headers; undefined if there is no page
 * for it. Each page has a way on: the team's page, else a later attempt or the site that the link led to; and a field
 * for another code if the address may be mistyped, or if there is no other way.
 */
export function refusalAnswer(
  { code, status, headers }: Problem,
  { home, site, field }: Alternatives,
  request: Request,
): Response | undefined {
  const say = wordsFor(request.headers.get("accept-language"));
  const isAway = UNAVAILABLE.has(code);
  const words = isAway ? say.refused.unavailable : say.refused[code as Refused];
  if (words === undefined) return undefined;
  const goOn = isAway || code === "rate_limited" || (home === undefined && WORKS_LATER.has(code))
    ? { url: "", text: say.again }
    : home === undefined
    ? site
    : { url: home, text: say.home };
  const ways = MISTYPED.has(code) || goOn === undefined ? { goOn, field } : { goOn };
  const answer = page(status, (nonce) => refusalPage(words, ways, say, nonce));
  for (const [name, value] of Object.entries(headers)) answer.headers.set(name, value);
  return answer;
}

/** The page at the root of the links. */
export function rootPage({ headers }: Request, field: CodeField): Response {
  const say = wordsFor(headers.get("accept-language"));
  return page(200, (nonce) => refusalPage(say.refused.root, { field }, say, nonce));
}

/** Shows what a link is about, to visitors that are not redirected. */
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
