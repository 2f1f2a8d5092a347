/**
 * Whether a request is from Meta: the signature of a webhook, and the handshake that sets one up.
 *
 * Source: Meta, "Create a webhook endpoint" and "Webhooks: getting started"
 * (developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/create-webhook-endpoint): the
 * header `X-Hub-Signature-256` is `sha256=` and the hex HMAC-SHA-256 of the payload, keyed with the app
 * secret. Meta signs the bytes that it sends (non-ASCII characters escaped as lower-case `\uXXXX`), so the
 * raw bytes must be checked: parsing and serialising changes them.
 *
 * @module
 */
import { timingSafeEqual } from "../../../crypto/timing_safe_equal.ts";
import { hmacSha256 } from "../../../crypto/hmac.ts";

/** The header that holds Meta's signature. */
export const SIGNATURE_HEADER = "x-hub-signature-256";

const PREFIX = "sha256=";

/**
 * Whether `header` signs `bytes` with one of `secrets`.
 *
 * Every secret is tried, and each comparison takes the same time, so the duration tells nothing about
 * which secret or which byte was wrong. Several secrets make rotation painless: add the new one, change it
 * at Meta, drop the old one.
 *
 * Failure policy: fail closed. A missing or malformed header, or an empty list of secrets, is false.
 *
 * @param bytes The body exactly as it came over the wire.
 * @param header The value of `X-Hub-Signature-256`: `sha256=` and 64 digits of lower-case hex.
 * @param secrets The app secrets that are valid now.
 */
export function verify(bytes: Uint8Array, header: string | null, secrets: readonly string[]): boolean {
  if (header === null || !header.startsWith(PREFIX)) return false;
  const claimed = header.slice(PREFIX.length);
  let valid = false;
  for (const secret of secrets) {
    if (timingSafeEqual(hmacSha256(secret, bytes), claimed)) valid = true;
  }
  return valid;
}

/** The header's value for `bytes`: what Meta sends, for the simulator, the replay tool and tests. */
export function sign(bytes: Uint8Array, secret: string): string {
  return PREFIX + hmacSha256(secret, bytes);
}

/**
 * Answers Meta's handshake: returns the challenge to echo, or undefined if this is not a handshake or its
 * token is wrong. A handshake has no signature.
 *
 * Failure policy: fail closed; an empty `verifyToken` matches nothing.
 *
 * @param query The query of the GET request.
 * @param verifyToken The token set in Meta's console.
 */
export function challengeOf(query: URLSearchParams, verifyToken: string): string | undefined {
  if (query.get("hub.mode") !== "subscribe" || verifyToken === "") return undefined;
  const challenge = query.get("hub.challenge");
  const token = query.get("hub.verify_token");
  if (challenge === null || token === null || !timingSafeEqual(verifyToken, token)) return undefined;
  return challenge;
}
