/**
 * Who visitors are, and what vouches for it. Anybody can write an id into an address or a cookie: what the guard of
 * rollouts is to believe carries a signature.
 *
 * @module
 */
import { hmacSha256 } from "../crypto/hmac.ts";
import { same } from "../crypto/same.ts";
import { keyedHash } from "./visitors.ts";

/** Digits of an audience id's signature: 128 bits. */
const SIGNATURE_DIGITS = 32;

/** What a visitor's cookie holds: the id, and that it is ours, as 64 bits under a key of this installation. */
export function signedVisitor(key: string, visitor: string): string {
  return `${visitor}.${keyedHash(key, [visitor])}`;
}

/** Whether a cookie with this id and signature is one of ours. */
export function isOurVisitor(key: string, visitor: string, signature: string): boolean {
  return key !== "" && same(keyedHash(key, [visitor]), signature);
}

/**
 * Whether one of the team's services vouched for an audience id (`?u=`): the first 32 hex digits of the id's
 * HMAC-SHA-256 (RFC 2104) by one of `LINK_AUDIENCE_SECRET`, as `?sig=`.
 */
export function isSignedAudience(secrets: readonly string[], id: string, signature: string): boolean {
  const bytes = new TextEncoder().encode(id);
  let found = false;
  for (const secret of secrets) {
    if (same(hmacSha256(secret, bytes).slice(0, SIGNATURE_DIGITS), signature)) found = true;
  }
  return found;
}
