/**
 * SHA-256 in hex.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** The hash of bytes, or of a text in UTF-8, and of a text before them that tells apart what has the same bytes. */
export function sha256Hex(bytes: Uint8Array | string, before = ""): string {
  return createHash("sha256").update(before).update(bytes).digest("hex");
}
