/**
 * The representation that a caller prefers, by the weights in its Accept header (RFC 9110, section 12.5.1).
 *
 * @module
 */

type HasHeaders = { get(name: string): string | null };

/** Whether JSON is preferred at least as much as a page. */
export function wantsJson(headers: HasHeaders): boolean {
  const accept = headers.get("accept");
  if (accept === null || !JSON_TYPE.test(accept)) return false;
  const json = weightOf(accept, "application/json");
  return json > 0 && json >= weightOf(accept, "text/html");
}

/** Whether a page is accepted. */
export function wantsHtml(headers: HasHeaders): boolean {
  const accept = headers.get("accept");
  return accept !== null && HTML_TYPE.test(accept) && weightOf(accept, "text/html") > 0;
}

/** Names of media types are case-insensitive (RFC 9110, section 8.3.1). */
const JSON_TYPE = /application\/json/i, HTML_TYPE = /text\/html/i;

/** Weight of a type that the header names, from 0 to 1; 0 if it does not. */
function weightOf(accept: string, type: string): number {
  for (const part of accept.slice(0, 500).split(",")) {
    const [range, ...parameters] = part.split(";");
    if (range.trim().toLowerCase() !== type) continue;
    const weight = parameters.map((text) => /^\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*$/i.exec(text)?.[1]).find(
      Boolean,
    );
    return weight === undefined ? 1 : Number(weight);
  }
  return 0;
}
