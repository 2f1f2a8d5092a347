/**
 * Signed visitor cookies: anybody can write an id into a cookie, and the guard of rollouts must only trust ours.
 *
 * @module
 */
import { timingSafeEqual } from "../../crypto/timing_safe_equal.ts";
import { keyedHash } from "./hashes.ts";
import { VISITOR_COOKIE } from "./visit.ts";

/** The value of a visitor's cookie: the id and a 64-bit signature under a key of this installation. */
export function signedVisitor(key: string, visitor: string): string {
  return `${visitor}.${keyedHash(key, [visitor])}`;
}

/** The cookie that keeps a visitor in one arm for half a year. */
export function visitorCookie(key: string, visitor: string): string {
  return `${VISITOR_COOKIE}=${signedVisitor(key, visitor)}; Path=/; Max-Age=15552000; SameSite=Lax; HttpOnly`;
}

/** Whether this id and signature come from one of our cookies. */
export function isOurVisitor(key: string, visitor: string, signature: string): boolean {
  return key !== "" && timingSafeEqual(keyedHash(key, [visitor]), signature);
}
