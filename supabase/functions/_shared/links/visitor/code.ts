/**
 * Parses the code of a link from an address.
 *
 * @module
 */

/** Longer than any code with the text that may surround it. */
const MAX_PART = 256;

/** A code after blanks, slashes, brackets and quotes of any script. Other signs, as in `.env`, begin no code. */
const LEADING = /^(?:[\s"'<(\[{*`/]|(?!\p{ASCII})[\p{P}\p{S}\p{Z}])*([a-z0-9][a-z0-9_-]*)/u;

/** A character that no address contains: it ends a code, with the signs before it. */
const ENDED = /^[^a-z0-9_]*(?:$|[^!-~]|[%<>"\\^{}|`])/u;

/** Hyphens that typesetters and word processors put in place of a code's own. */
const HYPHEN = /(?<=[a-z0-9])[\u2010\u2012\u2013\u2212](?=[a-z0-9])/g;

/**
 * Extracts the code from a path segment, which may be in capitals, percent-encoded, contain invisible characters, have
 * a query that was encoded or appended, stand in quotes, or be followed by text of any script. A text that cannot be a code is returned
 * unchanged.
 */
export function codeOf(part: string): string {
  if (/^[a-z0-9_-]*$/.test(part)) return part;
  let text = decoded(part.slice(0, MAX_PART));
  text = text.normalize("NFKC").replace(/\p{Cf}/gu, "").toLowerCase().replace(HYPHEN, "-");
  const query = text.search(/[?&#]/);
  if (query > 0) text = text.slice(0, query);
  const [begin = "", code] = LEADING.exec(text) ?? [];
  if (code === undefined) return part.toLowerCase();
  return ENDED.test(text.slice(begin.length)) ? code : part.toLowerCase();
}

/** Malformed percent-encoding is left as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * The query that was encoded or appended to a code, as mail and chat programs do: `abc%3Fx=1`, `abc&x=1`,
 * `abc&amp;x=1`. Empty if there is none.
 */
export function appendedQuery(part: string): string {
  const sign = /%3f|%26|&/i.exec(part);
  if (sign === null || sign.index === 0) return "";
  const raw = part.slice(sign.index + sign[0].length);
  // No name contains "=": before the first one, an encoded one means that the whole query was encoded.
  const text = /^[^=]*%3d/i.test(raw) ? decoded(raw) : raw;
  return text.replace(/#.*/s, "").replace(/(^|&)amp;/g, "$1");
}

/**
 * The segment with the code, in a path with too many slashes (`//abc`) or with markup after the code (`abc%3C/a%3E`);
 * undefined for other paths.
 */
export function strayPart(path: string): string | undefined {
  const [first, ...rest] = path.split("/").filter((segment) => segment !== "");
  if (first === undefined || rest.length === 0) return first;
  return /[^!-~]|[<>"\\^{}|`]/u.test(decoded(first)) && codeOf(first) !== first.toLowerCase()
    ? first
    : undefined;
}

/** Extracts the code from what people type or paste: the code, or the whole address of a link. */
export function typedCode(text: string): string {
  const path = text.trim().slice(0, 2000).replace(/[?#].*$/s, "");
  let end = path.length;
  while (path[end - 1] === "/") end--;
  return codeOf(path.slice(path.lastIndexOf("/", end - 1) + 1, end).trim());
}
