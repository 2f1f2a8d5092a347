/**
 * Text that Postgres can hold, also inside `jsonb`: no NUL, no lone surrogate.
 *
 * @module
 */

/** Replaces a character that cannot be stored: U+FFFD. */
export const REPLACEMENT = "\ufffd";

/** Whether Postgres can hold a text unchanged. */
export function isStorableText(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/** A text with {@linkcode REPLACEMENT} in place of what Postgres cannot hold. */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll("\0", REPLACEMENT);
}
