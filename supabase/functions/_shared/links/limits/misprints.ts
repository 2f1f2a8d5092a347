/**
 * What may be kept of a code that no link has. People put into an address what they should not: their own name, a
 * customer's number, the token of a mail. A code that could be a misprint of a link's goes on to `record_orphans`, which
 * keeps it if it is one; of everything else its kind is counted.
 *
 * Failure policy: closed. What cannot be read, or is no code, is kept by no part.
 *
 * @module
 */

import { LINK_CODE } from "../../contract/names.ts";

/** Kinds of what is not kept. In brackets, which no code has. */
export type Kind = "(e-mail address)" | "(number)" | "(secret)" | "(other)";

/** Digits from which a code may be somebody's number or birthday. */
const DIGITS = 6;
const SECRET = /token|secret|passw|reset|session|api-?key|jwt|otp|bearer/;
/** So many characters in a row are no word that somebody types. */
const TOKEN_LIKE = /[a-z0-9]{16}|[0-9a-f]{12}/;

/** Digits in base64, in small letters: each four begin with one of three. */
const ENCODED_DIGITS = /^(?:[mno][a-z0-9]{3}){2,}=*$/;

/** The code where it could be a misprint, else what kind of thing it looks like. */
export function keptOf(code: string): string | Kind {
  const text = decoded(code);
  if (/@|[-_([.]at[-_)\].]/.test(text)) return "(e-mail address)";
  if (SECRET.test(text) || TOKEN_LIKE.test(text)) {
    return /^[^a-z]*$/.test(text) ? "(number)" : "(secret)";
  }
  if (text.replace(/\P{Nd}+/gu, "").length >= DIGITS || ENCODED_DIGITS.test(text)) return "(number)";
  return LINK_CODE.test(code) ? code : "(other)";
}

/** As people meant it: percent signs undone, however often, and one spelling of what looks alike. */
function decoded(code: string): string {
  let text = code.slice(0, 1000);
  for (let turn = 0; turn < 4 && text.includes("%"); turn++) {
    const before = text;
    try {
      text = decodeURIComponent(text);
    } catch {
      // A part that is cut, or no Unicode: what can be read of it is enough.
      text = text.replace(/%40/g, "@").replace(/%25/g, "%");
    }
    if (text === before) break;
  }
  return text.normalize("NFKC").toLowerCase();
}
