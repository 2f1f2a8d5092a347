/**
 * Tokens of links' visits in what people write, whatever the channel: `[ref:…]` with 16 characters of lower-case base32.
 * `private.without_tokens` takes them out of a text again.
 *
 * @module
 */

/** As we write it; also without a digit, as tokens were once. */
const WRITTEN = /\[ref:([a-z2-7]{16})\]/;
/** Whether {@linkcode LOOSE} is worth its while: most texts have no "ref" in them. */
const HINT = /[rｒ]\p{Cf}*[eｅ]\p{Cf}*[fｆ]/iu;
/**
 * As it may arrive, in NFKC, lower case and without marks that nobody sees: with blanks, in other brackets or without
 * them. Blanks within the token only where a bracket says where it ends.
 */
const LOOSE =
  /(?<![a-z0-9])ref\s*[:∶׃]\s*(?=(?:[a-z]\s*){0,15}[2-7])((?:[a-z2-7]\s*){15}[a-z2-7](?=\s*[\p{Ps}\p{Pe}\p{Pi}\p{Pf}<>])|[a-z2-7]{16}(?![a-z0-9]))/u;

/**
 * The first token in what a person wrote, `[ref:…]`; undefined without one. Keyboards capitalise, put blanks and invisible
 * marks, and have other brackets; people lose them.
 */
export function tokenIn(text: string): string | undefined {
  const written = WRITTEN.exec(text)?.[1];
  if (written !== undefined || !HINT.test(text)) return written;
  const plain = text.normalize("NFKC").replace(/[\p{Cf}\u00ad]/gu, "").toLowerCase();
  return LOOSE.exec(plain)?.[1].replace(/\s+/g, "");
}
