/**
 * Encryption of values that the database stores but must not be able to read: AES-256-GCM with keys from the
 * environment.
 *
 * A sealed value names its key (`v1.name.iv.text`, base64url), so keys can be rotated by name: the first key
 * seals, every key opens. The value is bound to its place and cannot be opened anywhere else.
 *
 * @module
 */

/** Keys by name, 32 bytes in base64 each. The first one seals. */
export type SealingKeys = Readonly<Record<string, string>>;

/** A value cannot be sealed or opened. The message contains neither the value nor a key and may be shown. */
export class SealError extends Error {
  override name = "SealError";
}

/** Excludes the separators of the format, and numbers, which JavaScript objects would put first. */
const NAME = /^[a-z][a-z0-9-]{0,31}$/;
const BYTES = 32;
const IV_BYTES = 12;
const MAX_KEPT = 1000;

/** Parses `new:base64,old:base64`. Returns a text that says what is wrong if it cannot. */
export function readSealingKeys(text: string): SealingKeys | string {
  const keys: Record<string, string> = {};
  for (const one of text.split(",").map((part) => part.trim()).filter((part) => part !== "")) {
    const at = one.indexOf(":"), name = one.slice(0, at), key = one.slice(at + 1);
    if (!NAME.test(name)) return "a key has no name: it is like main:base64";
    if (Object.hasOwn(keys, name)) return `two keys are named ${name}`;
    if (bytesOf(key)?.length !== BYTES) return `the key ${name} is not 32 bytes in base64`;
    keys[name] = key;
  }
  return keys;
}

/**
 * Seals a text with the first key.
 *
 * @param context Where the value is stored, such as `destination:<id>:authorization`; {@linkcode unseal}
 *   needs the same.
 * @throws {SealError} if there is no key.
 */
export async function seal(keys: SealingKeys, text: string, context: string): Promise<string> {
  const [name] = Object.keys(keys);
  if (name === undefined) throw new SealError("there is no key to seal with");
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const sealed = await crypto.subtle.encrypt(
    { name: "AES-GCM", iv, additionalData: encoder.encode(`${name}.${context}`) },
    await keyOf(keys[name]),
    encoder.encode(text),
  );
  return `v1.${name}.${toBase64Url(iv)}.${toBase64Url(new Uint8Array(sealed))}`;
}

/**
 * Opens a value that {@linkcode seal} returned.
 *
 * Failure policy: closed.
 *
 * @throws {SealError} if its key is missing, or the value was changed or belongs to another context.
 */
export async function unseal(keys: SealingKeys, sealed: string, context: string): Promise<string> {
  const [, name, iv, text] = /^v1\.([a-z][a-z0-9-]{0,31})\.([\w-]{16})\.([\w-]+)$/.exec(sealed) ?? [];
  if (name === undefined) throw new SealError("it is not in the form of a sealed value");
  if (!Object.hasOwn(keys, name)) {
    throw new SealError(`it was sealed with the key ${name}, which is not there`);
  }
  const key = await keyOf(keys[name]);
  try {
    const bytes = await crypto.subtle.decrypt(
      { name: "AES-GCM", iv: fromBase64Url(iv), additionalData: encoder.encode(`${name}.${context}`) },
      key,
      fromBase64Url(text),
    );
    return new TextDecoder().decode(bytes);
  } catch {
    throw new SealError(`the key ${name} does not open it: it was changed, or stood somewhere else`);
  }
}

/** The name of the key that a value is sealed with; undefined for a text that is not a sealed value. */
export function sealedWith(sealed: string): string | undefined {
  return /^v1\.([a-z][a-z0-9-]{0,31})\./.exec(sealed)?.[1];
}

const encoder = new TextEncoder();
const imported = new Map<string, Promise<CryptoKey>>();

function keyOf(base64: string): Promise<CryptoKey> {
  let key = imported.get(base64);
  if (key === undefined) {
    key = crypto.subtle.importKey("raw", bytesOf(base64)!, "AES-GCM", false, ["encrypt", "decrypt"]);
    if (imported.size >= MAX_KEPT) imported.clear();
    imported.set(base64, key);
  }
  return key;
}

function bytesOf(base64: string) {
  try {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}

function toBase64Url(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function fromBase64Url(text: string) {
  return bytesOf(text.replaceAll("-", "+").replaceAll("_", "/"))!;
}
