/**
 * The form in which texts of conditions and of messages are compared.
 *
 * @module
 */

/**
 * Text beyond this many UTF-16 units is not looked at. WhatsApp's own limit for a text message is 4,096; the bound
 * keeps the cost of a condition known whatever arrives.
 */
export const MAX_TEXT = 4096;

// Zero-width and bidirectional marks that keyboards and copy-paste add unseen, and the two variation selectors that
// make "❤" and "❤️" different strings. Joiners (U+200C, U+200D) stay: they change words in Persian and in Indic scripts.
const UNSEEN = /[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufe0e\ufe0f\ufeff]/gu;

/** One form for what looks alike: NFKC, unseen marks removed, runs of white space made one space, ends trimmed. */
export function normalise(text: string): string {
  // Cut before, for the cost of what follows, and after: NFKC makes up to 18 units of one (U+FDFA).
  const plain = text.slice(0, MAX_TEXT).normalize("NFKC").replace(UNSEEN, "").replace(/\s+/gu, " ");
  return plain.slice(0, MAX_TEXT).trim();
}
