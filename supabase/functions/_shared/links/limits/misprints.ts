/**
 * Decides what may be stored of a code that no link has. People put private data into addresses: their name, a
 * customer's number, the token of an e-mail. A code that could be a misprint of a link's code is passed to
 * `record_orphans`, which stores it if it is one; everything else is only counted by kind.
 *
 * Failure policy: closed. Nothing is stored of text that cannot be decoded or is not a code.
 *
 * @module
 */

import { LINK_CODE } from "../../contract/names.ts";

/** Kinds of text that is not stored. In brackets, which no code contains. */
export type Kind = "(e-mail address)" | "(number)" | "(secret)" | "(other)";

/** Number of digits from which a code may be somebody's number or birthday. */
const DIGITS = 6;
const SECRET = /token|secret|passw|reset|session|api-?key|jwt|otp|bearer/;
/** A run of characters too long to be a typed word. */
const TOKEN_LIKE = /[a-z0-9]{16}|[0-9a-f]{12}/;

/** Digits in base64, in lower case: each group of four begins with one of three letters. */
const ENCODED_DIGITS = /^(?:[mno][a-z0-9]{3}){2,}=*$/;

/** The code if it could be a misprint, else its kind. */
export function keptOf(code: string): string | Kind {
  const text = decoded(code);
  if (/@|[-_([.]at[-_)\].]/.test(text)) return "(e-mail address)";
  if (SECRET.test(text) || TOKEN_LIKE.test(text)) {
    return /^[^a-z]*$/.test(text) ? "(number)" : "(secret)";
  }
  if (text.replace(/\P{Nd}+/gu, "").length >= DIGITS || ENCODED_DIGITS.test(text)) return "(number)";
  return LINK_CODE.test(code) ? code : "(other)";
}

/** The code as intended: percent-encoding removed, however often it was applied, and look-alike characters unified. */
function decoded(code: string): string {
  let text = code.slice(0, 1000);
  for (let turn = 0; turn < 4 && text.includes("%"); turn++) {
    const before = text;
    try {
      text = decodeURIComponent(text);
    } catch {
      // Truncated, or not Unicode: the readable part is enough.
      text = text.replace(/%40/g, "@").replace(/%25/g, "%");
    }
    if (text === before) break;
  }
  return text.normalize("NFKC").toLowerCase();
}
