/**
 * Ids of the team's own users that callers present: in links (`?u=`) and in the contexts of flags. Anybody
 * can write one; the signature shows whether one of the team's services issued it.
 *
 * @module
 */
import { hmacSha256 } from "../crypto/hmac.ts";
import { timingSafeEqual } from "../crypto/timing_safe_equal.ts";

/** Hex digits of a signature: 128 bits. */
const DIGITS = 32;

/**
 * Whether one of the team's services signed an id: the first 32 hex digits of the id's HMAC-SHA-256 (RFC
 * 2104) with one of `AUDIENCE_SECRET`, passed as `sig` or, in a link, `gl_sig`.
 */
export function isSignedAudience(secrets: readonly string[], id: string, signature: string): boolean {
  const bytes = new TextEncoder().encode(id);
  let found = false;
  for (const secret of secrets) {
    if (timingSafeEqual(hmacSha256(secret, bytes).slice(0, DIGITS), signature)) found = true;
  }
  return found;
}
