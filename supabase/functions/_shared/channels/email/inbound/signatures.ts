/**
 * Whether a provider sent a request: SendGrid's ECDSA signature of webhooks and posted mails, Svix's HMAC (Resend),
 * and a secret in the address where nothing else is configured.
 *
 * Sources: Twilio SendGrid, "Getting Started with the Event Webhook Security Features" and "Securing your Inbound
 * Parse Webhooks"; Svix, "Verifying Webhooks Manually" (docs.svix.com).
 *
 * @module
 */
import { createHmac } from "node:crypto";
import { verifyP256 } from "../../../crypto/ecdsa.ts";
import { timingSafeEqual } from "../../../crypto/timing_safe_equal.ts";

/** Headers of SendGrid's signature. */
export const SENDGRID_HEADERS = {
  signature: "x-twilio-email-event-webhook-signature",
  timestamp: "x-twilio-email-event-webhook-timestamp",
} as const;

/** Headers of a Svix signature. */
export const SVIX_HEADERS = {
  id: "svix-id",
  timestamp: "svix-timestamp",
  signature: "svix-signature",
} as const;

/** Headers of Standard Webhooks (standardwebhooks.com), whose scheme is Svix's. */
export const STANDARD_HEADERS = {
  id: "webhook-id",
  timestamp: "webhook-timestamp",
  signature: "webhook-signature",
} as const;

/** Longest timestamp and signature that are looked at; genuine ones have 10 and about 96 characters. */
const LONGEST = 200;

/**
 * Whether SendGrid signed a body: base64 of a DER signature by ECDSA with P-256 and SHA-256, over the timestamp and
 * the raw bytes. The body of the Event Webhook ends in CRLF, which is signed too.
 *
 * The timestamp is not compared with the clock: SendGrid documents no tolerance and repeats requests for 24 to 72
 * hours, and it does not say whether it signs them anew. A repetition is stored once, whoever sends it.
 *
 * Failure policy: closed. Anything malformed is false.
 *
 * @param publicKeys The keys that are valid now; several while one is replaced.
 */
export async function verifySendGrid(
  bytes: Uint8Array,
  headers: Headers,
  publicKeys: readonly string[],
): Promise<boolean> {
  const timestamp = headers.get(SENDGRID_HEADERS.timestamp);
  const encoded = headers.get(SENDGRID_HEADERS.signature);
  if (timestamp === null || encoded === null) return false;
  if (!/^\d{1,20}$/.test(timestamp) || encoded.length > LONGEST) return false;
  const signature = fromBase64(encoded);
  if (signature === undefined) return false;
  const signed = [new TextEncoder().encode(timestamp), bytes];
  let valid = false;
  for (const each of publicKeys) {
    if (await verifyP256(each, signed, signature)) valid = true;
  }
  return valid;
}

/** Svix refuses what is older or newer by more than this, in milliseconds; a repetition is signed anew. */
const SVIX_TOLERANCE_MS = 5 * 60 * 1000;

/**
 * Whether Svix signed a body: `v1,` and base64 of HMAC-SHA-256 over `id.timestamp.body`, several separated by
 * blanks, with a secret that begins with `whsec_`.
 *
 * Failure policy: closed.
 *
 * @param now Milliseconds since 1970.
 * @param names The headers: those of Svix, or of Standard Webhooks, which has the same scheme.
 */
export function verifySvix(
  bytes: Uint8Array,
  headers: Headers,
  secrets: readonly string[],
  now: number,
  names: typeof SVIX_HEADERS | typeof STANDARD_HEADERS = SVIX_HEADERS,
): boolean {
  const id = headers.get(names.id);
  const timestamp = headers.get(names.timestamp);
  const given = headers.get(names.signature);
  if (id === null || timestamp === null || given === null || given.length > 10 * LONGEST) return false;
  if (!/^\d{1,12}$/.test(timestamp)) return false;
  if (Math.abs(now - Number(timestamp) * 1000) > SVIX_TOLERANCE_MS) return false;
  let valid = false;
  for (const secret of secrets) {
    const key = fromBase64(secret.replace(/^whsec_/, ""));
    if (key === undefined || key.length === 0) continue;
    const expected = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(bytes).digest("base64");
    for (const part of given.split(" ")) {
      if (part.startsWith("v1,") && timingSafeEqual(expected, part.slice(3))) valid = true;
    }
  }
  return valid;
}

/** Whether an address holds one of these secrets. Failure policy: closed; an empty secret matches nothing. */
export function holdsSecret(shown: string, secrets: readonly string[]): boolean {
  let valid = false;
  for (const secret of secrets) if (secret !== "" && timingSafeEqual(secret, shown)) valid = true;
  return valid;
}

function fromBase64(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return undefined;
  }
}
