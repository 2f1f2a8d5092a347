/**
 * Tokens of links' visits in what people write, whatever the channel: `[ref:…]` with 16 characters of lower-case base32.
 * `private.without_tokens` takes them out of a text again.
 *
 * @module
 */

/** As we write it, also percent-encoded by programs that show an address's text; also without a digit, as once. */
const WRITTEN = /\[ref:([a-z2-7]{16})\]|%5[Bb]ref%3[Aa]([a-z2-7]{16})%5[Dd]/;
/** Most texts have no "ref" in them: then the rest is skipped. */
const HINT = /[rｒ]\p{Cf}*[eｅ]\p{Cf}*[fｆ]/iu;
/**
 * As it may arrive, in NFKC, lower case and without invisible marks: with blanks, in other brackets or without them.
 * Blanks within the token, and another sign or none instead of the colon, only before a closing bracket.
 */
const LOOSE = new RegExp(
  "(?<![a-z0-9])ref(?:\\.?\\s*[:∶׃꞉]\\s*(?=(?:[a-z]\\s*){0,15}[2-7])" +
    "((?:[a-z2-7]\\s*){15}[a-z2-7](?=\\s*[\\p{Ps}\\p{Pe}\\p{Pi}\\p{Pf}<>])|[a-z2-7]{16}(?![a-z0-9]))" +
    "|[\\s;.=-]{1,3}(?=[a-z]{0,15}[2-7])([a-z2-7]{16})(?=\\s*[\\p{Ps}\\p{Pe}\\p{Pi}\\p{Pf}<>]))",
  "u",
);

/**
 * The first token in what a person wrote, `[ref:…]`; undefined without one. Keyboards capitalise, put blanks and invisible
 * marks, and have other brackets; people lose them.
 */
export function tokenIn(text: string): string | undefined {
  const written = captured(WRITTEN, text);
  if (written !== undefined || !HINT.test(text)) return written;
  const plain = text.normalize("NFKC").replace(/[\p{Cf}\u00ad]/gu, "").toLowerCase();
  return captured(LOOSE, plain)?.replace(/\s+/g, "");
}

/** What the one group that matched holds. */
function captured(pattern: RegExp, text: string): string | undefined {
  const match = pattern.exec(text);
  return match?.[1] ?? match?.[2];
}
