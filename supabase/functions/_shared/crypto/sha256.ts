/**
 * SHA-256 of what is in memory.
 *
 * @module
 */
import crypto from "node:crypto";

/** How a hash is written. */
export type Encoding = "hex" | "base64";

/** Without a stream object, in a third of the time. Exists since Node 21.7 and Deno 2.2, not yet on the hosted platform. */
const oneShot: ((algorithm: string, data: Uint8Array | string, encoding: Encoding) => string) | undefined =
  crypto.hash;

/** The hash of bytes, or of a text in UTF-8. */
export function sha256(data: Uint8Array | string, encoding: Encoding): string {
  return oneShot === undefined
    ? crypto.createHash("sha256").update(data).digest(encoding)
    : oneShot("sha256", data, encoding);
}

/** As lower-case hex, of `data` or of a text before it that tells apart what has the same bytes. */
export function sha256Hex(data: Uint8Array | string, before = ""): string {
  return before === ""
    ? sha256(data, "hex")
    : crypto.createHash("sha256").update(before).update(data).digest("hex");
}
