/**
 * Signatures by Ed25519 (RFC 8032), as Telnyx makes them.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createPublicKey, type KeyObject, verify } from "node:crypto";

/** The beginning of a SubjectPublicKeyInfo of Ed25519 (RFC 8410), before the 32 bytes of the key. */
const SPKI = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/** Parsed keys. Few, because only configured keys are read. */
const keys = new Map<string, KeyObject | undefined>();

/** The key of 32 bytes in base64; undefined if it is none. */
export function readEd25519Key(base64: string): KeyObject | undefined {
  if (keys.has(base64)) return keys.get(base64);
  let key: KeyObject | undefined;
  try {
    const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
    if (bytes.length === 32) {
      key = createPublicKey({ key: Buffer.from([...SPKI, ...bytes]), format: "der", type: "spki" });
    }
  } catch {
    // No key; whoever configured it is told.
  }
  keys.set(base64, key);
  return key;
}

/**
 * Whether a signature of 64 bytes over these bytes was made with the private part of a key.
 *
 * Failure policy: closed. A malformed key or signature is false.
 *
 * @param publicKey As {@linkcode readEd25519Key} takes it.
 */
export function verifyEd25519(publicKey: string, bytes: Uint8Array, signature: Uint8Array): boolean {
  const key = readEd25519Key(publicKey);
  if (key === undefined || signature.length !== 64) return false;
  try {
    return verify(null, bytes, key, signature);
  } catch {
    return false;
  }
}
