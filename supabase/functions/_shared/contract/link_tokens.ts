/**
 * Tokens of links' visits in messages of any channel: `[ref:…]` with 16 characters of lower-case base32.
 * `private.without_tokens` removes them from a text.
 *
 * @module
 */

/** A token as we write it, also percent-encoded by programs that show an address's text. Older tokens may have no digit. */
const WRITTEN = /\[ref:([a-z2-7]{16})\]|%5[Bb]ref%3[Aa]([a-z2-7]{16})%5[Dd]/;
/** A quick test before {@linkcode LOOSE}: most texts do not contain "ref". */
const HINT = /[rｒ]\p{Cf}*[eｅ]\p{Cf}*[fｆ]/iu;
/**
 * A token as it may arrive, after NFKC, lower-casing and removal of invisible marks: with blanks, with other brackets or
 * none. Blanks within the token, and another sign or none instead of the colon, are allowed only before a closing bracket.
 */
const LOOSE =
  /(?<![a-z0-9])ref(?:\.?\s*[:∶׃꞉]\s*(?=(?:[a-z]\s*){0,15}[2-7])((?:[a-z2-7]\s*){15}[a-z2-7](?=\s*[\p{Ps}\p{Pe}\p{Pi}\p{Pf}<>])|[a-z2-7]{16}(?![a-z0-9]))|[\s;.=-]{1,3}(?=[a-z]{0,15}[2-7])([a-z2-7]{16})(?=\s*[\p{Ps}\p{Pe}\p{Pi}\p{Pf}<>]))/u;

/**
 * The first token `[ref:…]` in a person's text; undefined if there is none. Keyboards capitalise, insert blanks and
 * invisible marks, and use other brackets; people delete brackets.
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
