/**
 * Signatures by ECDSA with P-256 and SHA-256, as SendGrid makes them.
 *
 * @module
 */
import { createPublicKey, type KeyObject, verify } from "node:crypto";

/** Parsed keys: parsing one takes longer than a verification. Few, because only configured keys are read. */
const keys = new Map<string, KeyObject | undefined>();

/**
 * The key of a SubjectPublicKeyInfo in base64; undefined if it is none of P-256.
 */
export function readPublicKey(base64: string): KeyObject | undefined {
  if (keys.has(base64)) return keys.get(base64);
  let key: KeyObject | undefined;
  try {
    const pem = `-----BEGIN PUBLIC KEY-----\n${base64.replace(/\s+/g, "")}\n-----END PUBLIC KEY-----\n`;
    const read = createPublicKey(pem);
    if (read.asymmetricKeyType === "ec" && read.asymmetricKeyDetails?.namedCurve === "prime256v1") key = read;
  } catch {
    // No key; whoever configured it is told.
  }
  keys.set(base64, key);
  return key;
}

/**
 * Whether a DER signature over these bytes was made with the private part of a key.
 *
 * Failure policy: closed. A malformed key or signature is false.
 *
 * @param publicKey As {@linkcode readPublicKey} takes it.
 */
export function verifyP256(publicKey: string, bytes: Uint8Array, signature: Uint8Array): boolean {
  const key = readPublicKey(publicKey);
  if (key === undefined) return false;
  try {
    return verify("sha256", bytes, key, signature);
  } catch {
    return false;
  }
}
