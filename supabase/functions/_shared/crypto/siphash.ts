/**
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash of 64 bits for short inputs.
 *
 * Without the key, nobody can recover an input or find two that collide. Implemented here because each visit
 * needs one and the runtime's hashes cost ten times as much for so few bytes.
 *
 * @module
 */

/** A 128-bit key as four 32-bit words, least significant first. */
export type SipKey = readonly [number, number, number, number];

/** The key in the first 32 hex digits of a text. */
export function sipKey(hex: string): SipKey {
  const word = (at: number) => {
    const bytes = [0, 2, 4, 6].map((i) => parseInt(hex.slice(at + i, at + i + 2), 16));
    return bytes[0] | bytes[1] << 8 | bytes[2] << 16 | bytes[3] << 24;
  };
  return [word(0), word(8), word(16), word(24)];
}

// The state, v0 to v3, each as a low and a high half: JavaScript's integers have 32 bits.
let l0 = 0, h0 = 0, l1 = 0, h1 = 0, l2 = 0, h2 = 0, l3 = 0, h3 = 0;

function round(): void {
  let sum = (l0 >>> 0) + (l1 >>> 0), low: number;
  h0 = h0 + h1 + (sum > 0xffffffff ? 1 : 0) | 0;
  l0 = sum | 0;
  low = l1 << 13 | h1 >>> 19;
  h1 = h1 << 13 | l1 >>> 19;
  l1 = low ^ l0;
  h1 ^= h0;
  low = l0;
  l0 = h0;
  h0 = low;
  sum = (l2 >>> 0) + (l3 >>> 0);
  h2 = h2 + h3 + (sum > 0xffffffff ? 1 : 0) | 0;
  l2 = sum | 0;
  low = l3 << 16 | h3 >>> 16;
  h3 = (h3 << 16 | l3 >>> 16) ^ h2;
  l3 = low ^ l2;
  sum = (l0 >>> 0) + (l3 >>> 0);
  h0 = h0 + h3 + (sum > 0xffffffff ? 1 : 0) | 0;
  l0 = sum | 0;
  low = l3 << 21 | h3 >>> 11;
  h3 = (h3 << 21 | l3 >>> 11) ^ h0;
  l3 = low ^ l0;
  sum = (l2 >>> 0) + (l1 >>> 0);
  h2 = h2 + h1 + (sum > 0xffffffff ? 1 : 0) | 0;
  l2 = sum | 0;
  low = l1 << 17 | h1 >>> 15;
  h1 = (h1 << 17 | l1 >>> 15) ^ h2;
  l1 = low ^ l2;
  low = l2;
  l2 = h2;
  h2 = low;
}

/** The hash of the first `length` bytes, as 16 hex digits, most significant first. */
export function sipHash(key: SipKey, bytes: Uint8Array, length = bytes.length): string {
  hash(key, bytes, length);
  return hex(h0 ^ h1 ^ h2 ^ h3) + hex(l0 ^ l1 ^ l2 ^ l3);
}

/** Writes the hash of the first `length` bytes as 8 bytes to `out` at `at`, most significant first. */
export function sipBytes(key: SipKey, bytes: Uint8Array, length: number, out: Uint8Array, at: number): void {
  hash(key, bytes, length);
  const high = h0 ^ h1 ^ h2 ^ h3, low = l0 ^ l1 ^ l2 ^ l3;
  for (let i = 0; i < 4; i++) {
    out[at + i] = high >>> 24 - 8 * i;
    out[at + 4 + i] = low >>> 24 - 8 * i;
  }
}

function hash([k0, k1, k2, k3]: SipKey, bytes: Uint8Array, length: number): void {
  l0 = k0 ^ 0x70736575;
  h0 = k1 ^ 0x736f6d65;
  l1 = k2 ^ 0x6e646f6d;
  h1 = k3 ^ 0x646f7261;
  l2 = k0 ^ 0x6e657261;
  h2 = k1 ^ 0x6c796765;
  l3 = k2 ^ 0x79746573;
  h3 = k3 ^ 0x74656462;
  const whole = length - (length & 7);
  let low = 0, high = 0;
  for (let i = 0; i < whole; i += 8) {
    low = bytes[i] | bytes[i + 1] << 8 | bytes[i + 2] << 16 | bytes[i + 3] << 24;
    high = bytes[i + 4] | bytes[i + 5] << 8 | bytes[i + 6] << 16 | bytes[i + 7] << 24;
    take(low, high);
  }
  low = 0;
  high = length << 24;
  for (let i = whole; i < length; i++) {
    const at = i - whole;
    if (at < 4) low |= bytes[i] << 8 * at;
    else high |= bytes[i] << 8 * (at - 4);
  }
  take(low, high);
  l2 ^= 0xff;
  round();
  round();
  round();
  round();
}

function take(low: number, high: number): void {
  l3 ^= low;
  h3 ^= high;
  round();
  round();
  l0 ^= low;
  h0 ^= high;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

function hex(word: number): string {
  return HEX[word >>> 24] + HEX[word >>> 16 & 255] + HEX[word >>> 8 & 255] + HEX[word & 255];
}
