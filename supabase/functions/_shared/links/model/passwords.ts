/**
 * Passwords of links: hashed with scrypt (RFC 7914), compared in constant time.
 *
 * Uses the runtime's own scrypt (OpenSSL's interface), which does not block the event loop.
 *
 * @module
 */
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { Buffer } from "node:buffer";
import { MAX_PASSWORD } from "../../contract/link_limits.ts";

/**
 * 16 MiB and about 0.1 s: what an isolate can afford, with 2 s of CPU in its life. OWASP's p = 5 for so little memory
 * would take a quarter of that; guessing is also rate-limited. The hash includes its parameters.
 */
const N = 16384, R = 8, P = 1;
const KEY_BYTES = 32;

/** Hashes a password with a new salt: `scrypt$N$r$p$salt$key`. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const key = await derive(password, salt, N, R, P);
  return ["scrypt", N, R, P, salt.toString("base64"), key.toString("base64")].join("$");
}

/** Whether a password matches a hash. Failure policy: closed, also for a malformed hash. */
export async function isPassword(password: string, hash: string): Promise<boolean> {
  const [scheme, n, r, p, salt, key] = hash.split("$");
  if (scheme !== "scrypt" || key === undefined || password.length > MAX_PASSWORD) return false;
  const expected = Buffer.from(key, "base64");
  const derived = await derive(password, Buffer.from(salt, "base64"), Number(n), Number(r), Number(p));
  return expected.length === derived.length && timingSafeEqual(derived, expected);
}

/** Normalises by Unicode NFKC, so that the same password typed on another keyboard is equal. */
function derive(password: string, salt: Buffer, n: number, r: number, p: number): Promise<Buffer> {
  return new Promise((resolve, reject) =>
    scrypt(password.normalize("NFKC"), salt, KEY_BYTES, { N: n, r, p, maxmem: 64 << 20 }, (error, key) => {
      if (error) reject(error);
      else resolve(key);
    })
  );
}
