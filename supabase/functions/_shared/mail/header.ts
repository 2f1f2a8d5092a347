/**
 * Header blocks of mails and of their parts (RFC 5322, RFC 2045, RFC 2231), read from bytes.
 *
 * Each field is decoded for itself, so that one in an odd charset damages no other. Fields keep their order and their
 * repetitions; whoever reads decides which one counts (the first, for those that may stand once).
 *
 * @module
 */
import { decodeWords } from "postal-mime";
import { cleanLine, decodeCharset, firstOf, guess } from "./charset.ts";

const [LF, CR, COLON, SPACE, TAB, HYPHEN] = [10, 13, 0x3a, 0x20, 9, 0x2d];

/** Fields of a block that are read; more are a bomb. */
const MOST_FIELDS = 2_000;
/** Characters of one value. A References header of a thread of years has some ten thousand. */
const MOST_VALUE = 65_536;
/** Parameters of one field: continuations beyond are a bomb (cyrus-imapd#6377). */
const MOST_PARAMETERS = 128;

/** Fields by lower-cased name: values as they stand, unfolded, not yet decoded. */
export type Fields = ReadonlyMap<string, readonly string[]>;

/** A header block and where the body begins. */
export interface Block {
  readonly fields: Fields;
  /** Position of the body in the bytes that were given. */
  readonly body: number;
  /** Whether fields were left out. */
  readonly cut: boolean;
}

/** Whether a byte may stand in a field's name: printable ASCII without the colon (RFC 5322 3.6.8). */
const inName = (byte: number) => byte > SPACE && byte < 127 && byte !== COLON;

/** Where the line that begins at `from` ends, before its LF; `to` if it has none. */
function endOfLine(bytes: Uint8Array, from: number, to: number): number {
  const end = bytes.indexOf(LF, from);
  return end < 0 || end > to ? to : end;
}

/**
 * Reads the header block that begins at `from`. It ends at an empty line, or where a line is no field: a body that follows
 * without an empty line stays a body.
 *
 * @param most Bytes of the block that are read.
 * @param lenient Whether a line that is no field is passed over if a field follows it: for the mail's own header, where some
 *   gateways insert lines, and where the sender stands below them.
 */
export function readBlock(
  bytes: Uint8Array,
  from: number,
  to: number,
  most: number,
  lenient: boolean,
): Block {
  const fields = new Map<string, string[]>();
  let [at, count, cut] = [from, 0, false];
  let field: { name: string; start: number } | undefined;
  const keep = (end: number) => {
    if (field === undefined) return;
    if (count++ >= MOST_FIELDS) cut = true;
    else {
      const value = unfold(bytes.subarray(field.start, end));
      const same = fields.get(field.name);
      if (same === undefined) fields.set(field.name, [value]);
      else same.push(value);
    }
    field = undefined;
  };
  while (at < to) {
    const end = endOfLine(bytes, at, to);
    const next = Math.min(end + 1, to);
    if (end === at || (end === at + 1 && bytes[at] === CR)) {
      keep(at);
      return { fields, body: next, cut };
    }
    if (at - from > most) {
      // The rest of the block is passed over, up to the empty line.
      cut = true;
      keep(at);
      at = next;
      continue;
    }
    if (bytes[at] === SPACE || bytes[at] === TAB) {
      at = next;
      continue;
    }
    keep(at);
    const colon = colonOf(bytes, at, end);
    if (colon === undefined) {
      const follows = lenient && next < to && colonOf(bytes, next, endOfLine(bytes, next, to)) !== undefined;
      if (follows || startsLikeMbox(bytes, at)) {
        at = next;
        continue;
      }
      return { fields, body: at, cut };
    }
    const name = String.fromCharCode(...bytes.subarray(at, colon.name)).toLowerCase();
    field = { name, start: colon.value };
    at = next;
  }
  keep(to);
  return { fields, body: to, cut };
}

/** Where a field's name ends and its value begins; undefined for a line that is no field. */
function colonOf(bytes: Uint8Array, at: number, end: number): { name: number; value: number } | undefined {
  let name = at;
  while (name < end && name - at < 200 && inName(bytes[name])) name++;
  if (name === at) return undefined;
  let colon = name;
  // Blanks before the colon are obsolete, yet allowed (RFC 5322 4.5).
  while (colon < end && (bytes[colon] === SPACE || bytes[colon] === TAB)) colon++;
  return colon < end && bytes[colon] === COLON ? { name, value: colon + 1 } : undefined;
}

/** mbox puts "From x@y date" before the first field, and some programs its quoted form ">From". */
function startsLikeMbox(bytes: Uint8Array, at: number): boolean {
  const start = bytes[at] === 0x3e ? at + 1 : at;
  return [0x46, 0x72, 0x6f, 0x6d, SPACE].every((byte, index) => bytes[start + index] === byte);
}

/** A value on one line: a fold is a line break before a blank, and only the break goes (RFC 5322 2.2.3). */
function unfold(bytes: Uint8Array): string {
  const text = escaped(bytes) ?? guess(bytes);
  return firstOf(text, MOST_VALUE).replace(/[\r\n\0]+/g, "").trim();
}

/** A value with the escape sequences of ISO-2022-JP, which some mailers put into headers without encoding them. */
function escaped(bytes: Uint8Array): string | undefined {
  const at = bytes.indexOf(0x1b);
  if (at < 0 || bytes[at + 1] !== 0x24) return undefined;
  return decodeCharset(bytes, "iso-2022-jp");
}

/** A value for people: encoded words decoded (RFC 2047), on one line, without control characters. */
export function words(value: string): string {
  let decoded = value;
  try {
    decoded = decodeWords(value);
  } catch {
    // Keep it as it stands.
  }
  return cleanLine(decoded);
}

/** The first value of a field, undecoded; "" if there is none. */
export function first(fields: Fields, name: string): string {
  return fields.get(name)?.[0] ?? "";
}

/** Fields with their values decoded for people. */
export function decoded(fields: Fields): Map<string, string[]> {
  return new Map([...fields].map(([name, values]) => [name, values.map(words)]));
}

/** A structured value: `multipart/mixed; boundary="b"`. */
export interface Structured {
  /** Lower-cased. */
  readonly value: string;
  /** By lower-cased name, decoded (RFC 2231), the first of each name. */
  readonly params: ReadonlyMap<string, string>;
}

/** Splits a structured value. Comments in parentheses are left out where they stand between the parts. */
export function structured(text: string): Structured {
  const pieces = split(text);
  const params = new Map<string, string>();
  const continued = new Map<string, Map<number, { text: string; encoded: boolean }>>();
  for (const piece of pieces.slice(1, MOST_PARAMETERS + 1)) {
    const equals = piece.indexOf("=");
    if (equals < 1) continue;
    const name = piece.slice(0, equals).trim().toLowerCase();
    const value = unquoted(piece.slice(equals + 1).trim());
    const star = name.indexOf("*");
    if (star < 0) {
      if (!params.has(name)) params.set(name, value);
      continue;
    }
    const part = name.slice(star + 1);
    const encoded = part === "" || part.endsWith("*");
    const number = Number.parseInt(part, 10) || 0;
    const parts = continued.get(name.slice(0, star)) ?? new Map();
    if (!parts.has(number)) parts.set(number, { text: value, encoded });
    continued.set(name.slice(0, star), parts);
  }
  // The extended form comes before the plain one, which is there for old programs (RFC 6266 4.3).
  for (const [name, parts] of continued) params.set(name, joined(parts));
  return { value: pieces[0].trim().toLowerCase(), params };
}

/** Cuts at semicolons that stand outside quotes and comments. */
function split(text: string): string[] {
  const pieces: string[] = [];
  let [piece, quoted, depth] = ["", false, 0];
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === "\\" && (quoted || depth > 0)) {
      if (depth === 0) piece += char + (text[at + 1] ?? "");
      at++;
    } else if (depth === 0 && char === '"') {
      quoted = !quoted;
      piece += char;
    } else if (!quoted && char === "(" && (depth > 0 || /^$|[\s;]$/.test(piece.slice(-1)))) depth++;
    else if (!quoted && depth > 0 && char === ")") depth--;
    else if (depth > 0) continue;
    else if (!quoted && char === ";") {
      pieces.push(piece);
      piece = "";
    } else piece += char;
  }
  // An unfinished comment or quote may have swallowed what follows, a boundary for example.
  if ((depth > 0 || quoted) && pieces.length === 0) return text.split(";");
  return [...pieces, piece];
}

function unquoted(value: string): string {
  if (!value.startsWith('"')) return value;
  const end = value.length > 1 && value.endsWith('"') ? -1 : undefined;
  return value.slice(1, end).replace(/\\(.)/gs, "$1");
}

/** Continuations in their order. Encoded neighbours are decoded together: a character may be spread over two of them. */
function joined(parts: ReadonlyMap<number, { text: string; encoded: boolean }>): string {
  const ordered = [...parts].sort(([a], [b]) => a - b).map(([, part]) => part);
  let charset: string | null = null;
  let [result, pending] = ["", ""];
  for (const [index, { text, encoded }] of ordered.entries()) {
    let value = text;
    if (index === 0 && encoded) {
      const quote = value.indexOf("'");
      const second = quote < 0 ? -1 : value.indexOf("'", quote + 1);
      if (second >= 0) [charset, value] = [value.slice(0, quote), value.slice(second + 1)];
    }
    if (encoded) {
      pending += value;
      continue;
    }
    result += percent(pending, charset) + value;
    pending = "";
  }
  return result + percent(pending, charset);
}

function percent(text: string, charset: string | null): string {
  if (text === "") return "";
  const source = new TextEncoder().encode(text);
  const bytes = new Uint8Array(source.length);
  let end = 0;
  for (let at = 0; at < source.length; at++) {
    const escape = source[at] === 0x25 ? text2hex(source[at + 1], source[at + 2]) : -1;
    bytes[end++] = escape < 0 ? source[at] : escape;
    if (escape >= 0) at += 2;
  }
  return decodeCharset(bytes.subarray(0, end), charset);
}

function text2hex(high: number | undefined, low: number | undefined): number {
  const value = Number.parseInt(String.fromCharCode(high ?? HYPHEN, low ?? HYPHEN), 16);
  return Number.isNaN(value) || !/^[0-9a-f]{2}$/i.test(String.fromCharCode(high ?? 0, low ?? 0)) ? -1 : value;
}
