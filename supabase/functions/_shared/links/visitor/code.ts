/**
 * Parses the code of a link from an address.
 *
 * @module
 */

/** Longer than any code with the text that may surround it. */
const MAX_PART = 256;

/**
 * Extracts the code from a path segment, which may be in capitals, percent-encoded, contain invisible characters, have
 * a query that was encoded or appended, or be followed by text of any script. A text that cannot be a code is returned
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
  const [begin = "", code] = /^[\s"'<(\[]*([a-z0-9][a-z0-9_-]*)/.exec(text) ?? [];
  if (code === undefined) return part.toLowerCase();
  // Codes are ASCII: text after the last character that can be in one is not part of it.
  const ended = /^(?:[^a-z0-9_]*$|\P{ASCII})/u.test(text.slice(begin.length));
  return ended ? code : part.toLowerCase();
}
