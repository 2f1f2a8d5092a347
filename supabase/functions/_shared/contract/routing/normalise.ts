/**
 * The normal form in which texts of conditions and of messages are compared.
 *
 * @module
 */

/**
 * Text beyond this many UTF-16 units is ignored, which bounds the cost of a condition. WhatsApp's own limit for a text
 * message is 4,096.
 */
export const MAX_TEXT = 4096;

// Zero-width and bidirectional marks that keyboards and copy-paste add invisibly, and the two variation selectors that
// make "❤" and "❤️" different strings. Joiners (U+200C, U+200D) stay: they change words in Persian and in Indic scripts.
const UNSEEN = /[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufe0e\ufe0f\ufeff]/gu;

/** The same form for texts that look the same: NFKC, no invisible marks, single spaces, trimmed. */
export function normalise(text: string): string {
  // Cut before, to bound the cost, and after, because NFKC can make 18 units of one (U+FDFA).
  const plain = text.slice(0, MAX_TEXT).normalize("NFKC").replace(UNSEEN, "").replace(/\s+/gu, " ");
  return plain.slice(0, MAX_TEXT).trim();
}
