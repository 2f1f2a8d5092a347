/**
 * Transfer encodings (RFC 2045 6): a part's bytes to its content, with a limit, and the size of the content without
 * decoding it. Written for bytes, because each detour over a string doubles the memory of a large mail.
 *
 * @module
 */
import type { TransferEncoding } from "./types.ts";

/** Value of a character of base64, also in its URL form; 64 for padding, 255 for anything else. */
const DIGITS = new Uint8Array(256).fill(255);
for (
  const [digit, char] of [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"].entries()
) {
  DIGITS[char.charCodeAt(0)] = digit;
}
DIGITS[0x2d] = 62;
DIGITS[0x5f] = 63;
DIGITS[0x3d] = 64;

const [LF, CR, EQUALS, SPACE, TAB] = [10, 13, 0x3d, 0x20, 9];

/** The value of a hexadecimal digit; -1 for anything else. */
function hex(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

/** The encoding that a Content-Transfer-Encoding header states. */
export function encodingOf(header: string): TransferEncoding {
  const stated = header.toLowerCase();
  if (stated.includes("base64")) return "base64";
  return stated.includes("quoted-printable") ? "quoted-printable" : "identity";
}

/** Bytes of the content, counted without decoding. */
export function sizeOf(bytes: Uint8Array, encoding: TransferEncoding): number {
  if (encoding === "identity") return bytes.length;
  if (encoding === "quoted-printable") return quotedPrintable(bytes, Infinity, undefined);
  // Four digits are three bytes, and what padding cuts off is none.
  let [size, digits] = [0, 0];
  for (let at = 0; at < bytes.length; at++) {
    const digit = DIGITS[bytes[at]];
    if (digit < 64) digits++;
    if (digit === 64) [size, digits] = [size + (digits * 3 >> 2), 0];
  }
  return size + (digits * 3 >> 2);
}

/**
 * The content of a part.
 *
 * @param most Bytes to return at most; the rest is left out. @default {Infinity}
 */
export function decodeTransfer(
  bytes: Uint8Array,
  encoding: TransferEncoding,
  most: number = Infinity,
): Uint8Array {
  if (encoding === "identity") return bytes.length > most ? bytes.subarray(0, most) : bytes;
  if (encoding === "base64") return base64(bytes, most);
  const content = new Uint8Array(Math.min(bytes.length, most));
  return content.subarray(0, quotedPrintable(bytes, content.length, content));
}

/** Bytes at the beginning of a part that tell base64 from text. */
const MOST_SAMPLE = 2_000;

/** Whether a text is base64 as its header says: some programs state it and write plain text. */
export function looksLikeBase64(bytes: Uint8Array): boolean {
  let [digits, others] = [0, 0];
  for (const byte of bytes.subarray(0, MOST_SAMPLE)) {
    if (byte === LF || byte === CR) continue;
    if (DIGITS[byte] <= 64) digits++;
    else others++;
  }
  return others * 10 <= digits;
}

/**
 * Where plain text begins that a gateway or a list appended to base64; the length if there is none. What looks like base64
 * again is a damaged line, and no end.
 */
export function plainTail(bytes: Uint8Array): number {
  for (let start = 0; start < bytes.length;) {
    let end = start, others = 0;
    for (; end < bytes.length && bytes[end] !== LF; end++) {
      if (DIGITS[bytes[end]] > 64 && bytes[end] !== CR) others++;
    }
    if (others > 0) {
      const tail = bytes.subarray(start);
      const words = tail.subarray(0, MOST_SAMPLE).filter((byte) => byte === SPACE).length;
      return start > 0 && words > 1 && !looksLikeBase64(tail) ? start : bytes.length;
    }
    start = end + 1;
  }
  return bytes.length;
}

/** Characters outside the alphabet are passed over (RFC 2045 6.8), and padding in the middle too: some gateways join parts. */
function base64(bytes: Uint8Array, most: number): Uint8Array {
  const content = new Uint8Array(Math.min(Math.ceil(bytes.length / 4) * 3, most));
  let [held, count, end] = [0, 0, 0];
  for (let at = 0; at < bytes.length && end < content.length; at++) {
    const digit = DIGITS[bytes[at]];
    if (digit === 64) count = 0;
    if (digit >= 64) continue;
    [held, count] = [held << 6 | digit, count + 6];
    if (count < 8) continue;
    count -= 8;
    content[end++] = held >> count & 255;
    held &= (1 << count) - 1;
  }
  return content.subarray(0, end);
}

/** Decodes into `content`, or only counts. Returns the number of bytes. Malformed escapes stay as they are. */
function quotedPrintable(bytes: Uint8Array, most: number, content: Uint8Array | undefined): number {
  let end = 0;
  // Blanks at the end of a line were added on the way (RFC 2045 6.7, rule 3): held back until something follows.
  let blanks = 0;
  const put = (byte: number) => {
    if (end < most && content !== undefined) content[end] = byte;
    if (end < most) end++;
  };
  for (let at = 0; at < bytes.length && end < most; at++) {
    const byte = bytes[at];
    if (byte === SPACE || byte === TAB) {
      blanks++;
      continue;
    }
    if (byte === LF || byte === CR) blanks = 0;
    for (; blanks > 0; blanks--) put(bytes[at - blanks]);
    if (byte !== EQUALS) {
      put(byte);
      continue;
    }
    const [high, low] = [hex(bytes[at + 1] ?? 0), hex(bytes[at + 2] ?? 0)];
    if (high >= 0 && low >= 0) {
      put(high << 4 | low);
      at += 2;
      continue;
    }
    let next = at + 1;
    while (bytes[next] === SPACE || bytes[next] === TAB) next++;
    if (bytes[next] === CR) next++;
    // A soft line break, or one that the end of the part cut off.
    if (bytes[next] === LF || next >= bytes.length) at = next;
    else if (bytes[next - 1] === CR) at = next - 1;
    else put(byte);
  }
  return end;
}
