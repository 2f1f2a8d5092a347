/**
 * Random ids: tokens of clicks and of reply addresses, ids of visitors.
 *
 * @module
 */

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";
const LENGTH = 16;

// One call fills the pool for many tokens: a call to the runtime costs more than a token.
const pool = new Uint8Array(LENGTH * 64);
let at = pool.length;

/**
 * 16 characters of lower-case base32: 80 bits from the runtime's CSPRNG. The one in 28 without a digit is discarded, so
 * that a word of 16 letters is never mistaken for a token.
 */
export function randomToken(): string {
  for (;;) {
    if (at === pool.length) {
      crypto.getRandomValues(pool);
      at = 0;
    }
    let token = "", digits = 0;
    for (const end = at + LENGTH; at < end; at++) {
      const place = pool[at] & 31;
      if (place >= 26) digits++;
      token += ALPHABET[place];
    }
    if (digits > 0) return token;
  }
}

/** Whether a text has the form of a token. */
export function isToken(text: string): boolean {
  return /^[a-z2-7]{16}$/.test(text);
}
