/**
 * Signatures of Telnyx's webhooks: Ed25519 over `timestamp|raw body`, with the account's public key.
 *
 * Source: Telnyx, "Webhook fundamentals", verifying signatures (developers.telnyx.com).
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { verifyEd25519 } from "../../../crypto/ed25519.ts";

/** Headers of a signature. */
export const TELNYX_HEADERS = {
  signature: "telnyx-signature-ed25519",
  timestamp: "telnyx-timestamp",
} as const;

/** What is older or newer by more than this is refused, in milliseconds; a repetition is signed anew. */
const TOLERANCE_MS = 5 * 60 * 1000;

/**
 * Whether Telnyx signed a body.
 *
 * Failure policy: closed. Anything malformed is false.
 *
 * @param publicKeys In base64; several while one is replaced.
 * @param now Milliseconds since 1970.
 */
export function verifyTelnyx(
  bytes: Uint8Array,
  headers: Headers,
  publicKeys: readonly string[],
  now: number,
): boolean {
  const timestamp = headers.get(TELNYX_HEADERS.timestamp) ?? "";
  const given = headers.get(TELNYX_HEADERS.signature) ?? "";
  if (!/^\d{1,12}$/.test(timestamp) || given.length > 100) return false;
  if (Math.abs(now - Number(timestamp) * 1000) > TOLERANCE_MS) return false;
  const signature = fromBase64(given);
  if (signature === undefined) return false;
  const signed = Buffer.concat([Buffer.from(`${timestamp}|`), bytes]);
  let valid = false;
  for (const key of publicKeys) if (verifyEd25519(key, signed, signature)) valid = true;
  return valid;
}

function fromBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return undefined;
  }
}
