/**
 * MurmurHash3 x86 32-bit over bytes. The npm packages of that name hash UTF-16 code units and are wrong
 * outside ASCII; flagd, and our SQL (`private.murmur3_32`), hash UTF-8 bytes.
 *
 * @param bytes what to hash; give `length` to hash only the beginning of a reused buffer
 * @param seed unsigned 32-bit
 * @returns unsigned 32-bit
 */
export function murmur3(bytes: Uint8Array, seed = 0, length = bytes.length): number {
  const tail = length & 3;
  const body = length - tail;
  let h = seed | 0;
  let i = 0;
  for (; i < body; i += 4) {
    h = mix(h, bytes[i] | bytes[i + 1] << 8 | bytes[i + 2] << 16 | bytes[i + 3] << 24);
  }
  const rest = tail === 0
    ? 0
    : bytes[i] | (tail > 1 ? bytes[i + 1] << 8 : 0) | (tail > 2 ? bytes[i + 2] << 16 : 0);
  return finish(h, rest, length);
}

/** Mixes one little-endian word of four bytes into the hash. */
export function mix(h: number, word: number): number {
  h ^= scramble(word);
  return Math.imul(h << 13 | h >>> 19, 5) + 0xe6546b64 | 0;
}

/**
 * Finishes the hash.
 *
 * @param rest the up to three bytes after the last whole word, little-endian; 0 for none
 * @param length total length of the input, in bytes
 * @returns unsigned 32-bit
 */
export function finish(h: number, rest: number, length: number): number {
  // Nothing scrambles to nothing, so that no bytes need no case of their own.
  h ^= scramble(rest) ^ length;
  h = Math.imul(h ^ h >>> 16, 0x85ebca6b);
  h = Math.imul(h ^ h >>> 13, 0xc2b2ae35);
  return (h ^ h >>> 16) >>> 0;
}

function scramble(k: number): number {
  k = Math.imul(k, 0xcc9e2d51);
  return Math.imul(k << 15 | k >>> 17, 0x1b873593);
}
