/**
 * Words, numbers and marks of a folded text. Pure; linear in the length.
 *
 * @module
 */

/** A word (letters), a number (digits) or one mark. `from` and `to` are offsets in the folded text. */
export interface Token {
  readonly kind: "word" | "number" | "mark";
  readonly text: string;
  readonly from: number;
  readonly to: number;
  /** Whether it follows the token before it without a space. */
  readonly glued: boolean;
}

/** What French writes with an apostrophe before a vowel: `l'agence` is two words, `let's` is one. */
const ELIDED = new Set(["l", "d", "s", "j", "n", "c", "m", "t", "qu"]);

/**
 * Splits a folded text. An apostrophe inside a word is dropped (`what's` is `whats`), and separates an elided
 * word of French.
 */
export function tokenise(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0, end = -1;
  while (at < text.length) {
    const from = at, unit = text[at];
    if (unit === " ") {
      at++;
      continue;
    }
    let kind: Token["kind"] = "mark", word = unit;
    if (isDigit(unit)) {
      kind = "number";
      while (isDigit(text[++at]));
      word = text.slice(from, at);
    } else if (isLetter(unit)) {
      kind = "word";
      word = "";
      while (at < text.length) {
        if (isLetter(text[at])) word += text[at++];
        else if (text[at] === "'" && isLetter(text[at + 1]) && !(ELIDED.has(word))) at++;
        else break;
      }
    } else at += text.codePointAt(at)! > 0xffff ? 2 : 1;
    tokens.push({ kind, text: word, from, to: at, glued: from === end });
    end = at;
    // The apostrophe of an elision belongs to neither word.
    if (kind === "word" && ELIDED.has(word) && text[at] === "'" && isLetter(text[at + 1])) end = ++at;
  }
  return tokens;
}

export const isDigit = (unit: string | undefined): boolean =>
  unit !== undefined && unit >= "0" && unit <= "9";
export const isLetter = (unit: string | undefined): boolean =>
  unit !== undefined && unit >= "a" && unit <= "z";
