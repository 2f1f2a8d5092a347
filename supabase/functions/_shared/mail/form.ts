/**
 * Bodies of multipart/form-data (RFC 7578), cut by bytes. `Request.formData()` decodes text fields as UTF-8 and destroys
 * mails in other charsets, which SendGrid's Inbound Parse posts as the text field `email`.
 *
 * Fields are ranges of the body: a 30 MB mail is not copied. Takes time in proportion to the body, and never throws.
 *
 * @module
 */
import { cleanText, decodeCharset } from "./charset.ts";
import { first, readBlock, structured } from "./header.ts";

/** A field: its content is `body.subarray(start, end)`. */
export interface FormField {
  readonly name: string;
  /** Null for a field that is no file. */
  readonly filename: string | null;
  /** Lower-cased media type; null if none is stated. */
  readonly type: string | null;
  readonly start: number;
  readonly end: number;
}

export interface Form {
  /** The first of each name. */
  readonly fields: ReadonlyMap<string, FormField>;
  /** Whether the last boundary was found: a body without it was cut off on the way. */
  readonly complete: boolean;
}

/** Fields that are read: Inbound Parse posts a dozen, and one for each attachment in parsed mode. */
const MOST_FIELDS = 500;
const HEADER_BYTES = 16_384;
const [LF, CR, HYPHEN] = [10, 13, 0x2d];

/**
 * Cuts a body into its fields.
 *
 * @param contentType The request's header, which names the boundary.
 * @returns undefined if the header is not that of a form.
 */
export function readForm(body: Uint8Array, contentType: string): Form | undefined {
  const { value, params } = structured(contentType);
  const boundary = params.get("boundary") ?? "";
  if (value !== "multipart/form-data" || boundary === "" || boundary.length > 250) return undefined;
  const mark = new TextEncoder().encode(`--${boundary}`);
  const fields = new Map<string, FormField>();
  let found = delimiter(body, 0, mark);
  while (found !== undefined && !found.last) {
    const next = delimiter(body, found.end, mark);
    const end = next === undefined ? body.length : withoutBreak(body, next.start, found.end);
    const { fields: header, body: start } = readBlock(
      body.subarray(0, end),
      found.end,
      end,
      HEADER_BYTES,
      false,
    );
    const disposition = structured(first(header, "content-disposition"));
    const name = disposition.params.get("name");
    // A field that was cut off is not read as if it were whole.
    if (name !== undefined && next !== undefined && !fields.has(name) && fields.size < MOST_FIELDS) {
      fields.set(name, {
        name,
        filename: disposition.params.get("filename") ?? null,
        type: header.has("content-type") ? structured(first(header, "content-type")).value : null,
        start: Math.min(start, end),
        end,
      });
    }
    found = next;
  }
  return { fields, complete: found !== undefined };
}

/** The next delimiter at the beginning of a line, and where its line ends; `last` for the one that closes the form. */
function delimiter(
  body: Uint8Array,
  from: number,
  mark: Uint8Array,
): { start: number; end: number; last: boolean } | undefined {
  const most = body.length - mark.length;
  // From line to line, by the engine's own search: a mail has one line in some seventy bytes.
  for (let at = from; at <= most; at = nextLine(body, at)) {
    if (body[at] !== HYPHEN || (at > 0 && body[at - 1] !== LF)) continue;
    let same = 1;
    while (same < mark.length && body[at + same] === mark[same]) same++;
    if (same < mark.length) continue;
    const after = at + mark.length;
    if (body[after] === HYPHEN && body[after + 1] === HYPHEN) {
      return { start: at, end: after + 2, last: true };
    }
    const end = body.indexOf(LF, after);
    // Only blanks may follow: otherwise it is a longer word that begins alike.
    if (end < 0 || end - after > 80 || !blank(body, after, end)) continue;
    return { start: at, end: end + 1, last: false };
  }
  return undefined;
}

/** Where the next line begins; past the end after the last one. */
function nextLine(body: Uint8Array, from: number): number {
  const end = body.indexOf(LF, from);
  return end < 0 ? body.length + 1 : end + 1;
}

function blank(body: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at++) if (body[at] !== CR && body[at] !== 0x20 && body[at] !== 9) return false;
  return true;
}

/** The line break before a delimiter belongs to it. */
function withoutBreak(body: Uint8Array, at: number, from: number): number {
  let end = at;
  if (end > from && body[end - 1] === LF) end--;
  if (end > from && body[end - 1] === CR) end--;
  return end;
}

/**
 * The text of a field.
 *
 * @param charset As the form states it beside; UTF-8 or a guess without it.
 * @param most Bytes that are read. @default {1_000_000}
 */
export function fieldText(
  body: Uint8Array,
  field: FormField | undefined,
  charset: string | null = null,
  most: number = 1_000_000,
): string {
  if (field === undefined) return "";
  return cleanText(
    decodeCharset(body.subarray(field.start, Math.min(field.end, field.start + most)), charset),
  );
}
