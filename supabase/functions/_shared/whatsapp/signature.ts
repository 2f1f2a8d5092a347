/**
 * Is this request from Meta? The signature of a webhook, and the handshake that sets one up.
 *
 * Source: Meta, "Create a webhook endpoint" and "Webhooks: getting started"
 * (developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/create-webhook-endpoint): the
 * header `X-Hub-Signature-256` is `sha256=` and the hex HMAC-SHA-256 of the payload, keyed with the app
 * secret. Meta signs the bytes that it sends (non-ASCII characters escaped as lower-case `\uXXXX`), so the
 * raw bytes must be checked: parsing and serialising again changes them.
 *
 * node:crypto rather than WebCrypto: it is synchronous, so a request costs no turn of the event loop.
 * Measured for a 1.2 KB body: 6 us against 9 us (64 at once) or 38 us (one at a time) on Deno 2.9, 9 us
 * against 10 us or 42 us on Deno 2.1.
 *
 * @module
 */
import { createHmac, timingSafeEqual } from "node:crypto";

const PREFIX = "sha256=";
const DIGEST_BYTES = 32;

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
 * @param header The value of `X-Hub-Signature-256`.
 * @param secrets The app secrets that are valid now.
 */
export function verify(bytes: Uint8Array, header: string | null, secrets: readonly string[]): boolean {
  const claimed = header === null ? undefined : parseSignature(header);
  if (claimed === undefined) return false;
  let valid = false;
  for (const secret of secrets) {
    const actual = createHmac("sha256", secret).update(bytes).digest();
    if (timingSafeEqual(actual, claimed)) valid = true;
  }
  return valid;
}

/** The header's value for `bytes`: what Meta sends, for the simulator, the replay tool and tests. */
export function sign(bytes: Uint8Array, secret: string): string {
  return PREFIX + createHmac("sha256", secret).update(bytes).digest("hex");
}

/**
 * Answers Meta's handshake: the challenge to echo, or undefined when this is no handshake or its token is
 * not ours. It carries no signature.
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
  if (challenge === null || token === null || !sameText(token, verifyToken)) return undefined;
  return challenge;
}

/** Equality of two texts in a time that depends on neither their content nor their lengths. */
function sameText(a: string, b: string): boolean {
  const digest = (text: string) => createHmac("sha256", "gatelink").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/** The 32 bytes that a well-formed header names. */
function parseSignature(header: string): Uint8Array | undefined {
  if (header.length !== PREFIX.length + 2 * DIGEST_BYTES || !header.startsWith(PREFIX)) return undefined;
  const bytes = new Uint8Array(DIGEST_BYTES);
  for (let i = 0; i < DIGEST_BYTES; i++) {
    const high = hexDigit(header.charCodeAt(PREFIX.length + 2 * i));
    const low = hexDigit(header.charCodeAt(PREFIX.length + 2 * i + 1));
    if (high < 0 || low < 0) return undefined;
    bytes[i] = high * 16 + low;
  }
  return bytes;
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48; // 0-9
  if (code >= 97 && code <= 102) return code - 87; // a-f
  if (code >= 65 && code <= 70) return code - 55; // A-F
  return -1;
}
