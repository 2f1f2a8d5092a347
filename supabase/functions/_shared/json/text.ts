/**
 * What Postgres can hold as text, and as text in `jsonb`: neither a NUL nor half of a surrogate pair.
 *
 * @module
 */

/** Stands for what cannot be stored: U+FFFD. */
export const REPLACEMENT = "\ufffd";

/** Whether Postgres can hold a text as it is. */
export function isStorableText(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/** A text with {@linkcode REPLACEMENT} in place of what Postgres cannot hold. */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll("\0", REPLACEMENT);
}
