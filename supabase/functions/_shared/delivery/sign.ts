/**
 * Signatures of Standard Webhooks: `v1,` and the base64 HMAC-SHA-256 of "id.timestamp.body".
 *
 * Uses WebCrypto with cached keys, because the reference library hashes in JavaScript, several times slower
 * for a long body. The tests compare with that library.
 *
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 *
 * @module
 */

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
const keys = new Map<string, Promise<CryptoKey>>();
const encoder = new TextEncoder();

/**
 * The value of the header `webhook-signature`: one signature per secret, separated by spaces.
 *
 * Failure policy: closed. Nothing is sent unsigned or with only some of the signatures.
 *
 * @throws {SigningError} without a secret, or with one that does not have the form of the standard.
 */
export async function sign({ id, timestamp, body, secrets }: Signable): Promise<string> {
  if (secrets.length === 0) throw new SigningError("there is no signing secret");
  // Each is looked at before the first signs: a refusal leaves nothing under way.
  for (const secret of secrets) if (!keys.has(secret)) bytesOf(secret);
  const content = encoder.encode(`${id}.${timestamp}.${body}`);
  const signatures = await Promise.all(secrets.map(async (secret) => {
    const mac = new Uint8Array(await crypto.subtle.sign("HMAC", await keyOf(secret), content));
    return `v1,${btoa(String.fromCharCode(...mac))}`;
  }));
  return signatures.join(" ");
}

/** The key of a secret. A full cache drops the least recently used one. */
function keyOf(secret: string): Promise<CryptoKey> {
  let key = keys.get(secret);
  if (key === undefined) {
    const bytes = bytesOf(secret);
    key = crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    if (keys.size >= MAX_KEYS) keys.delete(keys.keys().next().value!);
  } else {
    keys.delete(secret);
  }
  keys.set(secret, key);
  return key;
}

function bytesOf(secret: string) {
  const base64 = FORM.exec(secret)?.[1];
  const bytes = Uint8Array.from(atob(base64 ?? ""), (character) => character.charCodeAt(0));
  if (bytes.length < 24 || bytes.length > 64) {
    throw new SigningError("a signing secret must be whsec_ and 24 to 64 bytes in base64");
  }
  return bytes;
}
