/**
 * Visitors' cookies, signed: anybody can write an id into a cookie, and the guard of rollouts is to believe ours alone.
 *
 * @module
 */
import { timingSafeEqual } from "../../crypto/timing_safe_equal.ts";
import { keyedHash } from "./hashes.ts";

/** What a visitor's cookie holds: the id, and that it is ours, as 64 bits under a key of this installation. */
export function signedVisitor(key: string, visitor: string): string {
  return `${visitor}.${keyedHash(key, [visitor])}`;
}

/** Whether a cookie with this id and signature is one of ours. */
export function isOurVisitor(key: string, visitor: string, signature: string): boolean {
  return key !== "" && timingSafeEqual(keyedHash(key, [visitor]), signature);
}
