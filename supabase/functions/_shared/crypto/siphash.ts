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

/** The last hash, as two words. */
let high = 0, low = 0;

/** The hash of the first `length` bytes, as 16 hex digits, most significant first. */
export function sipHash(key: SipKey, bytes: Uint8Array, length = bytes.length): string {
  hash(key, bytes, length);
  return hex(high) + hex(low);
}

/** Writes the hash of the first `length` bytes as 8 bytes to `out` at `at`, most significant first. */
export function sipBytes(key: SipKey, bytes: Uint8Array, length: number, out: Uint8Array, at: number): void {
  hash(key, bytes, length);
  for (let i = 0; i < 4; i++) {
    out[at + i] = high >>> 24 - 8 * i;
    out[at + 4 + i] = low >>> 24 - 8 * i;
  }
}

/**
 * Sets {@linkcode high} and {@linkcode low}. One function, since local variables cost a third of the module's: v0 to v3,
 * each as a low and a high half, since JavaScript's integers have 32 bits.
 */
function hash([k0, k1, k2, k3]: SipKey, bytes: Uint8Array, length: number): void {
  let l0 = k0 ^ 0x70736575, h0 = k1 ^ 0x736f6d65, l1 = k2 ^ 0x6e646f6d, h1 = k3 ^ 0x646f7261;
  let l2 = k0 ^ 0x6e657261, h2 = k1 ^ 0x6c796765, l3 = k2 ^ 0x79746573, h3 = k3 ^ 0x74656462;
  const whole = length - (length & 7);
  // Each word of input with two rounds, the last one with the length; then four rounds without one.
  for (let i = 0; i <= whole + 8; i += 8) {
    let m0 = 0, m1 = 0, rounds = 2;
    if (i < whole) {
      m0 = bytes[i] | bytes[i + 1] << 8 | bytes[i + 2] << 16 | bytes[i + 3] << 24;
      m1 = bytes[i + 4] | bytes[i + 5] << 8 | bytes[i + 6] << 16 | bytes[i + 7] << 24;
    } else if (i === whole) {
      m1 = length << 24;
      for (let at = 0; at < length - whole; at++) {
        if (at < 4) m0 |= bytes[i + at] << 8 * at;
        else m1 |= bytes[i + at] << 8 * (at - 4);
      }
    } else {
      l2 ^= 0xff;
      rounds = 4;
    }
    l3 ^= m0;
    h3 ^= m1;
    for (; rounds > 0; rounds--) {
      let half: number;
      // A sum of low halves carries if it is less than one of them.
      l0 = l0 + l1 | 0;
      h0 = h0 + h1 + (l0 >>> 0 < l1 >>> 0 ? 1 : 0) | 0;
      half = l1 << 13 | h1 >>> 19;
      h1 = (h1 << 13 | l1 >>> 19) ^ h0;
      l1 = half ^ l0;
      half = l0;
      l0 = h0;
      h0 = half;
      l2 = l2 + l3 | 0;
      h2 = h2 + h3 + (l2 >>> 0 < l3 >>> 0 ? 1 : 0) | 0;
      half = l3 << 16 | h3 >>> 16;
      h3 = (h3 << 16 | l3 >>> 16) ^ h2;
      l3 = half ^ l2;
      l0 = l0 + l3 | 0;
      h0 = h0 + h3 + (l0 >>> 0 < l3 >>> 0 ? 1 : 0) | 0;
      half = l3 << 21 | h3 >>> 11;
      h3 = (h3 << 21 | l3 >>> 11) ^ h0;
      l3 = half ^ l0;
      l2 = l2 + l1 | 0;
      h2 = h2 + h1 + (l2 >>> 0 < l1 >>> 0 ? 1 : 0) | 0;
      half = l1 << 17 | h1 >>> 15;
      h1 = (h1 << 17 | l1 >>> 15) ^ h2;
      l1 = half ^ l2;
      half = l2;
      l2 = h2;
      h2 = half;
    }
    l0 ^= m0;
    h0 ^= m1;
  }
  high = h0 ^ h1 ^ h2 ^ h3;
  low = l0 ^ l1 ^ l2 ^ l3;
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

function hex(word: number): string {
  return HEX[word >>> 24] + HEX[word >>> 16 & 255] + HEX[word >>> 8 & 255] + HEX[word & 255];
}
