/**
 * The code of a link as it arrives in an address.
 *
 * @module
 */

/** Longer than any code with what may stand around it. */
const MAX_PART = 256;

/**
 * The code in a part of an address, as it arrives: in capitals, percent-encoded, with marks that nobody sees, with a query
 * that somebody encoded or glued on, and with what a text of any script puts after an address. What no code can be is
 * given back as it is.
 */
export function codeOf(part: string): string {
  if (/^[a-z0-9_-]*$/.test(part)) return part;
  let text = part.slice(0, MAX_PART);
  try {
    text = decodeURIComponent(text);
  } catch {
    // Malformed percent-encoding stands for itself.
  }
  text = text.normalize("NFKC").replace(/\p{Cf}/gu, "").toLowerCase();
  const query = text.search(/[?&#]/);
  if (query > 0) text = text.slice(0, query);
  const [begin = "", code] = /^[\s"'<(\[]*([a-z0-9][a-z0-9_-]*)/.exec(text) ?? [];
  if (code === undefined) return part.toLowerCase();
  // Codes are ASCII: what comes after the last sign that can be in one is the text's.
  const ended = /^(?:[^a-z0-9_]*$|\P{ASCII})/u.test(text.slice(begin.length));
  return ended ? code : part.toLowerCase();
}
