/** Ids, codes and secrets that the panel makes, so that what is asked for again after a lost answer is made once. */

/** A UUID of version 7, in the order of time as those of the database. RFC 9562, section 5.7. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const time = Date.now();
  for (let i = 0; i < 6; i++) bytes[i] = Math.floor(time / 2 ** (8 * (5 - i))) & 0xff;
  bytes[6] = bytes[6] & 0x0f | 0x70;
  bytes[8] = bytes[8] & 0x3f | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** A signing secret of 32 random bytes, as Standard Webhooks writes them. */
export function newWebhookSecret(): string {
  return `whsec_${btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))))}`;
}

/** Characters of a link's code that nobody mistakes for another, as the database has them. */
const LETTERS = "23456789abcdefghjkmnpqrstuvwxyz";
const CODE_LENGTH = 8;

/** A random code for a link. It may be taken, so the caller looks at the answer. */
export function newLinkCode(): string {
  const numbers = crypto.getRandomValues(new Uint32Array(CODE_LENGTH));
  return [...numbers].map((number) => LETTERS[number % LETTERS.length]).join("");
}
