/**
 * SHA-256 in hex.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** The hash of bytes, and of a text before them that tells apart what has the same bytes. */
export function sha256Hex(bytes: Uint8Array, before = ""): string {
  return createHash("sha256").update(before).update(bytes).digest("hex");
}
