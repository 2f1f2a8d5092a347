/**
 * Signed visitor cookies: anybody can write an id into a cookie, and the guard of rollouts must only trust ours.
 *
 * @module
 */
import { timingSafeEqual } from "../../crypto/timing_safe_equal.ts";
import { keyedHash } from "./hashes.ts";

/** The value of a visitor's cookie: the id and a 64-bit signature under a key of this installation. */
export function signedVisitor(key: string, visitor: string): string {
  return `${visitor}.${keyedHash(key, [visitor])}`;
}

/** Whether this id and signature come from one of our cookies. */
export function isOurVisitor(key: string, visitor: string, signature: string): boolean {
  return key !== "" && timingSafeEqual(keyedHash(key, [visitor]), signature);
}
