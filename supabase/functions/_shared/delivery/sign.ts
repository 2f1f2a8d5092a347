/**
 * Signatures of Standard Webhooks: `v1,` and the base64 HMAC-SHA-256 of "id.timestamp.body".
 *
 * Signs without WebCrypto, which costs twice as much for each message (a task on another thread), and without the
 * reference library, which hashes in JavaScript. The tests compare with that library.
 *
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 *
 * @module
 */
import { type HmacKey, hmacKey, hmacSha256Base64 } from "../crypto/hmac.ts";

/** The signed values. */
export interface Signable {
  /** Unique to the message, the same for every attempt; sent as `webhook-id`. */
  readonly id: string;
  /** Time of this attempt in seconds since 1970; sent as `webhook-timestamp`. */
  readonly timestamp: number;
  /** The body exactly as it is sent. */
  readonly body: string;
  /** `whsec_` and 24 to 64 bytes in base64. During a rotation there are several, and each one signs. */
  readonly secrets: readonly string[];
}

/** Most cached keys; a destination has one, or two during a rotation. */
export const MAX_KEYS = 1000;

/** There is no usable secret. The message never contains one. */
export class SigningError extends Error {
  override name = "SigningError";
}

const FORM = /^whsec_((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/;
const keys = new Map<string, HmacKey>();

/**
 * The value of the header `webhook-signature`: one signature per secret, separated by spaces.
 *
 * Failure policy: closed. Nothing is sent unsigned or with only some of the signatures.
 *
 * @throws {SigningError} without a secret, or with one that does not have the form of the standard.
 */
export function sign({ id, timestamp, body, secrets }: Signable): string {
  if (secrets.length === 0) throw new SigningError("there is no signing secret");
  const content = `${id}.${timestamp}.${body}`;
  let signatures = "";
  for (const secret of secrets) {
    signatures += `${signatures === "" ? "" : " "}v1,${hmacSha256Base64(keyOf(secret), content)}`;
  }
  return signatures;
}

/** The key of a secret. A full cache drops the least recently used one. */
function keyOf(secret: string): HmacKey {
  let key = keys.get(secret);
  if (key === undefined) {
    key = hmacKey(bytesOf(secret));
    if (keys.size >= MAX_KEYS) keys.delete(keys.keys().next().value!);
  } else {
    keys.delete(secret);
  }
  keys.set(secret, key);
  return key;
}

function bytesOf(secret: string): Uint8Array {
  const base64 = FORM.exec(secret)?.[1];
  const bytes = Uint8Array.from(atob(base64 ?? ""), (character) => character.charCodeAt(0));
  if (bytes.length < 24 || bytes.length > 64) {
    throw new SigningError("a signing secret must be whsec_ and 24 to 64 bytes in base64");
  }
  return bytes;
}
