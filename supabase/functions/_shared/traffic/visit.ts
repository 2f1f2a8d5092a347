/**
 * A visit as a gateway passes it on: a visitor's id, signed for one environment. The functions count an outcome only for
 * a visit with a valid signature: nobody can choose a side, or invent visits, without the token.
 *
 * @module
 */
import { hmacSha256 } from "../crypto/hmac.ts";
import { timingSafeEqual } from "../crypto/timing_safe_equal.ts";
import type { Environment } from "../http/environment.ts";

/** Header in which a gateway passes a signed visit on; one from outside is dropped by each gateway. */
export const VISITOR_HEADER = "x-gatelink-visitor";
/** Hex digits of a signature: 96 bits. */
const SIGNATURE = 24;

const utf8 = new TextEncoder();

/** An id and the beginning of the HMAC-SHA-256 of a text about it: `<id>.<24 hex digits>`. */
export function signed(id: string, text: string, secret: string): string {
  return `${id}.${hmacSha256(secret, utf8.encode(text)).slice(0, SIGNATURE)}`;
}

/** The id in a text that `sign` signs with one of these secrets; undefined without a signature. */
export function verified(
  text: string,
  secrets: readonly string[],
  sign: (id: string, secret: string) => string,
): string | undefined {
  const dot = text.indexOf(".");
  if (dot < 1 || text.length !== dot + 1 + SIGNATURE || text.length > 100) return undefined;
  const id = text.slice(0, dot);
  return secrets.some((secret) => timingSafeEqual(sign(id, secret), text)) ? id : undefined;
}

/**
 * A visit of an environment as {@linkcode VISITOR_HEADER} has it. It is not the cookie's signature: who has a cookie
 * cannot claim to be on the other side.
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
