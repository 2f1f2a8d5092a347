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
const JSON_TYPE = /application\/(?:json|\*)/i, HTML_TYPE = /text\/(?:html|\*)/i;

/**
 * Weight of a type, from 0 to 1, by the most specific range that names it or its main type. A header that accepts
 * everything and names neither has none: 0.
 */
function weightOf(accept: string, type: string): number {
  const family = type.replace(/\/.*/, "/*");
  let weight = 0;
  for (const part of accept.slice(0, 500).match(PART) ?? []) {
    const [range, ...parameters] = part.split(";");
    const name = range.trim().toLowerCase();
    if (name !== type && name !== family) continue;
    const given = parameters.map((text) => WEIGHT.exec(text)?.[1]).find(Boolean);
    const its = given === undefined ? 1 : Number(given);
    if (name === type) return its;
    weight = its;
  }
  return weight;
}

/** A part of a list, in which a comma may be quoted. */
const PART = /(?:[^,"]|"(?:\\.|[^"\\])*"?)+/g;
const WEIGHT = /^\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*$/i;
