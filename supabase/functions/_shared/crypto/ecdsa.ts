/**
 * Signatures by ECDSA with P-256 and SHA-256, as SendGrid makes them. By WebCrypto, which takes two thirds of the time of
 * node:crypto in Deno.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { createPublicKey, createVerify, type KeyObject } from "node:crypto";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
/** The curve's name as OpenSSL has it, and as the hosted platform's Deno does. */
const P256: ReadonlySet<string> = new Set(["prime256v1", "p256"]);
/** Bytes of each of the two numbers of a signature. */
const NUMBER_BYTES = 32;
/** WebCrypto takes the signed bytes in one piece, and copies them: too much memory for larger ones than these. */
const MOST_JOINED = 1 << 20;

/** Parsed keys: parsing one takes longer than a verification. Few, because only configured keys are read. */
const keys = new Map<string, KeyObject | undefined>();
const imported = new Map<KeyObject, Promise<CryptoKey>>();

/**
 * The key of a SubjectPublicKeyInfo in base64; undefined if it is none of P-256.
 */
export function readPublicKey(base64: string): KeyObject | undefined {
  if (keys.has(base64)) return keys.get(base64);
  let key: KeyObject | undefined;
  try {
    // As bytes: the hosted platform's Deno refuses a PEM of lines longer than 64 characters.
    const spki = Buffer.from(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)));
    const read = createPublicKey({ key: spki, format: "der", type: "spki" });
    if (read.asymmetricKeyType === "ec" && P256.has(read.asymmetricKeyDetails?.namedCurve ?? "")) key = read;
  } catch {
    // No key; whoever configured it is told.
  }
  keys.set(base64, key);
  return key;
}

/**
 * Whether a DER signature over these bytes, one piece after the other, was made with the private part of a key.
 *
 * Failure policy: closed. A malformed key or signature is false.
 *
 * @param publicKey As {@linkcode readPublicKey} takes it.
 */
export async function verifyP256(
  publicKey: string,
  pieces: readonly Uint8Array[],
  signature: Uint8Array,
): Promise<boolean> {
  const key = readPublicKey(publicKey);
  const numbers = numbersOf(signature);
  if (key === undefined || numbers === undefined) return false;
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  if (length > MOST_JOINED) {
    const verifier = createVerify("sha256");
    for (const piece of pieces) verifier.update(piece);
    return verifier.verify(key, signature);
  }
  let known = imported.get(key);
  if (known === undefined) {
    const spki = key.export({ type: "spki", format: "der" }) as BufferSource;
    known = crypto.subtle.importKey("spki", spki, ALGORITHM, false, ["verify"]);
    imported.set(key, known);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return await crypto.subtle.verify(ALGORITHM, await known, numbers as BufferSource, bytes);
}

/**
 * The two numbers of a signature, one after the other, as WebCrypto takes them (IEEE P1363); undefined unless it is DER
 * of `SEQUENCE { INTEGER r, INTEGER s }` (RFC 3279 2.2.3).
 */
function numbersOf(der: Uint8Array): Uint8Array | undefined {
  // Lengths of P-256 take one byte each.
  if (der[0] !== 0x30 || der[1] !== der.length - 2) return undefined;
  const numbers = new Uint8Array(2 * NUMBER_BYTES);
  let at = 2;
  for (const end of [NUMBER_BYTES, 2 * NUMBER_BYTES]) {
    const length = der[at + 1];
    if (der[at] !== 0x02 || !(length > 0) || at + 2 + length > der.length) return undefined;
    let from = at + 2;
    at = from + length;
    // Not negative, and no zero more than the sign needs.
    if (der[from] >= 0x80 || (der[from] === 0 && length > 1 && der[from + 1] < 0x80)) return undefined;
    if (der[from] === 0) from++;
    if (at - from > NUMBER_BYTES) return undefined;
    numbers.set(der.subarray(from, at), end - (at - from));
  }
  return at === der.length ? numbers : undefined;
}
