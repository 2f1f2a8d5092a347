/**
 * Signatures by Standard Webhooks: `v1,` and the base64 HMAC-SHA-256 of "id.timestamp.body".
 *
 * WebCrypto with keys kept ready, because the reference library hashes in JavaScript, several times slower on a long
 * body. The library is the oracle in the tests.
 *
 * @see https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 * @module
 */

/** What is signed. */
export interface Signable {
  /** Unique to the message, the same at each attempt; goes out as `webhook-id`. */
  readonly id: string;
  /** Seconds since 1970 at which this attempt is made; goes out as `webhook-timestamp`. */
  readonly timestamp: number;
  /** The body exactly as it is sent. */
  readonly body: string;
  /** `whsec_` and 24 to 64 bytes in base64; several while one is being rotated, each signs. */
  readonly secrets: readonly string[];
}

/** Keys kept ready; a destination has one, two during a rotation. */
export const MAX_KEYS = 1000;

/** There is no usable secret. The message never holds one. */
export class SigningError extends Error {
  override name = "SigningError";
}

const FORM = /^whsec_((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/;
const keys = new Map<string, Promise<CryptoKey>>();
const encoder = new TextEncoder();

/**
 * The value of the header `webhook-signature`: one signature a secret, separated by spaces.
 *
 * Failure policy: closed. Nothing is sent unsigned or with a part of the signatures.
 *
 * @throws {SigningError} without a secret, or with one that is not in the form of the standard.
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

/** The key of a secret; the least recently used one makes room. */
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
