import { finish, mix, murmur3 } from "../crypto/murmur3.ts";

/** Buckets are 0 to 9999: one per 0.01 %. */
export const BUCKETS = 10_000;

const encoder = new TextEncoder();
let buffer = new Uint8Array(256);

/** A salt with its part of the hash computed in advance, which is the same for every id. */
export interface Salt {
  readonly text: string;
  /** The hash after the salt's whole four-byte words; null if the salt is not ASCII. */
  readonly state: number | null;
  /** The remaining bytes of the salt, in the low end, and their number of bits. */
  readonly rest: number;
  readonly bits: number;
}

/** Computes a salt's part of the hash. */
export function prepareSalt(text: string): Salt {
  let state = 0;
  let rest = 0;
  let bits = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return { text, state: null, rest: 0, bits: 0 };
    rest |= unit << bits;
    bits += 8;
    if (bits === 32) {
      state = mix(state, rest);
      rest = bits = 0;
    }
  }
  return { text, state, rest, bits };
}

/**
 * The bucket of an id under a salt: `floor(murmur3(UTF-8 of salt || id) * 10000 / 2^32)`, like flagd's
 * fractional operator. The salt never changes with the percentage, so an id that is in at 10 % is in at 25 %.
 * SQL computes the same number (`private.flag_bucket`).
 *
 * @returns a whole number from 0 to 9999
 */
export function bucket(salt: string | Salt, id: string): number {
  return Math.floor(hash(typeof salt === "string" ? prepareSalt(salt) : salt, id) * BUCKETS / 2 ** 32);
}

/** Ids are nearly always ASCII: those are hashed directly, without a copy. */
function hash({ text, state, rest, bits }: Salt, id: string): number {
  if (state === null) return hashUtf8(text + id);
  for (let i = 0; i < id.length; i++) {
    const unit = id.charCodeAt(i);
    if (unit > 0x7f) return hashUtf8(text + id);
    rest |= unit << bits;
    bits += 8;
    if (bits === 32) {
      state = mix(state, rest);
      rest = bits = 0;
    }
  }
  return finish(state, rest, text.length + id.length);
}

function hashUtf8(text: string): number {
  // A UTF-16 code unit becomes at most three bytes.
  if (buffer.length < text.length * 3) buffer = new Uint8Array(text.length * 3);
  return murmur3(buffer, 0, encoder.encodeInto(text, buffer).written);
}
