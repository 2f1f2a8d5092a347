import { murmur3 } from "./murmur3.ts";

/** Buckets are 0 to 9999: one per 0.01 %. */
export const BUCKETS = 10_000;

const encoder = new TextEncoder();
let buffer = new Uint8Array(256);

/**
 * The bucket of an id under a salt: `floor(murmur3(UTF-8 of salt || id) * 10000 / 2^32)`, flagd's
 * fractional shape. The salt never changes with the percentage, so whoever is in at 10 % is in at 25 %.
 * SQL gives the same number (`private.flag_bucket`).
 *
 * @returns a whole number from 0 to 9999
 */
export function bucket(salt: string, id: string): number {
  return Math.floor(hash(salt + id) * BUCKETS / 2 ** 32);
}

function hash(text: string): number {
  // A UTF-16 code unit becomes at most three bytes.
  if (buffer.length < text.length * 3) buffer = new Uint8Array(text.length * 3);
  // Ids are nearly always ASCII, which is copied here in half the time of a call to the encoder.
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return murmur3(buffer, 0, encoder.encodeInto(text, buffer).written);
    buffer[i] = unit;
  }
  return murmur3(buffer, 0, text.length);
}
