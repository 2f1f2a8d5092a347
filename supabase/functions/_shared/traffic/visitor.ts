/**
 * Visitors, whom a split keeps on one side: an id in a cookie that a gateway signs, or what stands in its place for
 * clients that keep no cookies.
 *
 * @module
 */
import { hmacSha256 } from "../crypto/hmac.ts";
import { randomToken } from "../crypto/tokens.ts";
import { signed, verified } from "./visit.ts";

/** Cookie with the signed visitor. Not that of links, which another function sets at the same host. */
export const VISITOR_COOKIE = "gl_side";
/** Its name before: who has it stays on the same side, and gets the new one. */
const FORMER_COOKIE = "gl_visitor";

/** Seconds for which a browser keeps the cookie: longer than any ramp. */
const MAX_AGE = 30 * 86_400;
const utf8 = new TextEncoder();

/** The value of the cookie. */
export function signVisitor(id: string, secret: string): string {
  return signed(id, `visitor ${id}`, secret);
}

/** The id in a cookie; undefined without a signature by one of these secrets. */
export function readVisitor(text: string, secrets: readonly string[]): string | undefined {
  return verified(text, secrets, signVisitor);
}

/** Key of the hash that decides a service's side. No secret: a new token must not move services. */
const SIDE_KEY = "gatelink side";

/** Whom a request comes from. */
export interface Visitor {
  /** Stored with outcomes. */
  readonly id: string;
  /** What decides the side: the same whichever token signs. Never stored. */
  readonly unit: string;
  /** Whether nothing was known: the id was made for this request. */
  readonly isNew: boolean;
  /** `Set-Cookie` for a new visitor, and for a cookie of an older secret or name; undefined for others. */
  readonly cookie?: string;
}

/** Keys that all users of an app share, and tokens of users, which change every hour: neither names a client. */
const NOT_A_SERVICE = /^(?:bearer +)?(?:sb_publishable_|eyJ[\w-]*\.)/i;

/**
 * The visitor of a request: the cookie; else a service's secret key or token, since a service keeps no cookies; else the
 * ticket of a mail's pixel, click or unsubscription, since a mail program does not either; else a new visitor.
 *
 * @param path Path at the gateway, with a leading slash.
 * @param secrets Tokens, the one that signs first.
 */
export function visitorOf(headers: Headers, path: string, secrets: readonly [string, ...string[]]): Visitor {
  const [secret] = secrets;
  const sent = headers.get("cookie");
  for (const name of [VISITOR_COOKIE, FORMER_COOKIE]) {
    const value = cookieIn(sent, name);
    const id = readVisitor(value, secrets);
    if (id === undefined) continue;
    // Signed again before the older secret goes, or its visitor would be a new one then.
    const isOld = name !== VISITOR_COOKIE || readVisitor(value, [secret]) === undefined;
    return { id, unit: id, isNew: false, ...(isOld && { cookie: setCookie(id, secret) }) };
  }
  const credential = serviceIn(headers.get("apikey")) ?? serviceIn(headers.get("authorization")) ??
    ticketIn(path);
  if (credential !== undefined) {
    const hashed = (key: string) => hmacSha256(key, utf8.encode(`credential ${credential}`)).slice(0, 20);
    // The id is hashed with the secret: it is stored with outcomes, and must not give the credential away.
    return { id: `h${hashed(secret)}`, unit: `c${hashed(SIDE_KEY)}`, isNew: false };
  }
  const id = randomToken();
  return { id, unit: id, isNew: true, cookie: setCookie(id, secret) };
}

function setCookie(id: string, secret: string): string {
  const value = signVisitor(id, secret);
  return `${VISITOR_COOKIE}=${value}; Path=/; Max-Age=${MAX_AGE}; HttpOnly; SameSite=Lax`;
}

function serviceIn(header: string | null): string | undefined {
  return header === null || header === "" || NOT_A_SERVICE.test(header) ? undefined : header;
}

function ticketIn(path: string): string | undefined {
  return /^\/(?:pixel|c|u)\/([\w-]{8,80})/.exec(path)?.[1];
}

/** The value of the cookie; empty without one. */
function cookieIn(header: string | null, wanted: string): string {
  for (const part of header?.split(";") ?? []) {
    const [name, value] = part.trim().split("=", 2);
    if (name === wanted) return value ?? "";
  }
  return "";
}
