/** Key pairs of Ed25519 that are made of a seed, so that whoever starts again has the same. */
import { Buffer } from "node:buffer";
import { createHash, createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";

/** The private key, and the public one in base64, as Telnyx shows it. */
export function ed25519Pair(seed: string): { privateKey: KeyObject; publicKey: string } {
  // PKCS #8 of Ed25519 (RFC 8410), before the 32 bytes of the seed.
  const head = Buffer.from("302e020100300506032b657004220420", "hex");
  const der = Buffer.concat([head, createHash("sha256").update(seed).digest()]);
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  return { privateKey, publicKey: Buffer.from(spki.subarray(-32)).toString("base64") };
}
