/**
 * Visitors, whom a split keeps on one side: an id in a cookie that a gateway signs, or what stands in its place for
 * clients that keep no cookies.
 *
 * The functions count an outcome only for a visit with a valid signature of the gateway: nobody can choose a side, or
 * invent visits, without the token.
 *
 * @module
 */
import { hmacSha256 } from "../crypto/hmac.ts";
import { timingSafeEqual } from "../crypto/timing_safe_equal.ts";
import { randomToken } from "../crypto/tokens.ts";
import type { Environment } from "../http/environment.ts";

/** The flag whose percentage is green's share. */
export const GREEN_FLAG = "green.enabled";

/** Header in which a gateway passes a signed visit on; one from outside is dropped by each gateway. */
export const VISITOR_HEADER = "x-gatelink-visitor";
/** Cookie with the signed visitor. */
export const VISITOR_COOKIE = "gl_visitor";

/** Seconds for which a browser keeps the cookie: longer than any ramp. */
const MAX_AGE = 30 * 86_400;
/** Hex digits of a signature: 96 bits. */
const SIGNATURE = 24;

const utf8 = new TextEncoder();

/** An id and the beginning of the HMAC-SHA-256 of a text about it: `<id>.<24 hex digits>`. */
function signed(id: string, text: string, secret: string): string {
  return `${id}.${hmacSha256(secret, utf8.encode(text)).slice(0, SIGNATURE)}`;
}

function verified(
  text: string,
  secrets: readonly string[],
  sign: (id: string, secret: string) => string,
): string | undefined {
  const dot = text.indexOf(".");
  if (dot < 1 || text.length !== dot + 1 + SIGNATURE || text.length > 100) return undefined;
  const id = text.slice(0, dot);
  return secrets.some((secret) => timingSafeEqual(sign(id, secret), text)) ? id : undefined;
}

/** The value of the cookie. */
export function signVisitor(id: string, secret: string): string {
  return signed(id, `visitor ${id}`, secret);
}

/** The id in a cookie; undefined without a signature by one of these secrets. */
export function readVisitor(text: string, secrets: readonly string[]): string | undefined {
  return verified(text, secrets, signVisitor);
}

/**
 * A visit of an environment as {@linkcode VISITOR_HEADER} has it. It is signed for another purpose than the cookie: who
 * has a cookie cannot claim to have been sent to the other side.
 */
export function signVisit(id: string, environment: Environment, secret: string): string {
  return signed(id, `${environment} ${id}`, secret);
}

/** The visitor in a signed visit of this environment; undefined without a signature by one of these secrets. */
export function readVisit(
  text: string,
  environment: Environment,
  secrets: readonly string[],
): string | undefined {
  return verified(text, secrets, (id, secret) => signVisit(id, environment, secret));
}

/** Whom a request comes from. */
export interface Visitor {
  readonly id: string;
  /** `Set-Cookie` for a visitor that has none yet; undefined for others. */
  readonly cookie?: string;
}

/**
 * The visitor of a request: the cookie; else its credentials, since a service keeps no cookies; else the ticket of a
 * mail's pixel, click or unsubscription, since a mail program does not either; else a new visitor.
 *
 * @param path Path at the gateway, with a leading slash.
 * @param secrets Tokens, the one that signs first.
 */
export function visitorOf(headers: Headers, path: string, secrets: readonly [string, ...string[]]): Visitor {
  const [secret] = secrets;
  const known = readVisitor(cookieIn(headers.get("cookie")), secrets);
  if (known !== undefined) return { id: known };
  const credential = headers.get("apikey") ?? headers.get("authorization") ?? ticketIn(path);
  if (credential !== undefined && credential !== "") {
    // Hashed with the secret: the id is stored with outcomes, and must not give the credential away.
    return { id: `h${hmacSha256(secret, utf8.encode(`credential ${credential}`)).slice(0, 20)}` };
  }
  const id = randomToken();
  return {
    id,
    cookie: `${VISITOR_COOKIE}=${
      signVisitor(id, secret)
    }; Path=/; Max-Age=${MAX_AGE}; HttpOnly; SameSite=Lax`,
  };
}

function ticketIn(path: string): string | undefined {
  return /^\/(?:pixel|c|u)\/([\w-]{8,80})/.exec(path)?.[1];
}

/** The value of the cookie; empty without one. */
function cookieIn(header: string | null): string {
  for (const part of header?.split(";") ?? []) {
    const [name, value] = part.trim().split("=", 2);
    if (name === VISITOR_COOKIE) return value ?? "";
  }
  return "";
}
