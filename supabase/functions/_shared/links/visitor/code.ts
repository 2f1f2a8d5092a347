/**
 * Parses the code of a link from an address.
 *
 * @module
 */

/** Longer than any code with the text that may surround it. */
const MAX_PART = 256;

/** A code after blanks, brackets and quotes of any script. Other signs, as in `.env`, begin no code. */
const LEADING = /^(?:[\s"'<(\[{*`]|(?!\p{ASCII})[\p{P}\p{S}\p{Z}])*([a-z0-9][a-z0-9_-]*)/u;

/**
 * Extracts the code from a path segment, which may be in capitals, percent-encoded, contain invisible characters, have
 * a query that was encoded or appended, stand in quotes, or be followed by text of any script. A text that cannot be a code is returned
 * unchanged.
 */
export function codeOf(part: string): string {
  if (/^[a-z0-9_-]*$/.test(part)) return part;
  let text = part.slice(0, MAX_PART);
  try {
    text = decodeURIComponent(text);
  } catch {
    // Malformed percent-encoding is left as it is.
  }
  text = text.normalize("NFKC").replace(/\p{Cf}/gu, "").toLowerCase();
  const query = text.search(/[?&#]/);
  if (query > 0) text = text.slice(0, query);
  const [begin = "", code] = LEADING.exec(text) ?? [];
  if (code === undefined) return part.toLowerCase();
  // Text after a character that no address contains is not part of the code.
  const ended = /^(?:[^a-z0-9_]*$|\P{ASCII}|[%<>"\\^{}|`])/u.test(text.slice(begin.length));
  return ended ? code : part.toLowerCase();
}

/** Extracts the code from what people type or paste: the code, or the whole address of a link. */
export function typedCode(text: string): string {
  const path = text.trim().slice(0, 2000).replace(/[?#].*$/s, "").replace(/\/+$/, "");
  return codeOf(path.slice(path.lastIndexOf("/") + 1).trim());
}
