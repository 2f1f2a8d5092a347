/**
 * Decodes the bytes of a file of links into text. Pure.
 *
 * Only evidence in the file is used (a byte order mark, valid UTF-8, the zeros of UTF-16). Nothing else is guessed,
 * since a wrong guess silently corrupts names.
 *
 * @module
 */
import { UnreadableFile } from "./unreadable.ts";

/** Charsets that are suggested; any label of the Encoding standard is accepted. */
export const CHARSETS = [
  "utf-8",
  "windows-1252",
  "iso-8859-15",
  "windows-1250",
  "windows-1251",
  "windows-1253",
  "windows-1254",
  "windows-1255",
  "windows-1256",
  "macintosh",
  "shift_jis",
  "gb18030",
  "euc-kr",
  "utf-16le",
  "utf-16be",
] as const;

/** The charset cannot be determined from the bytes; a person has to name it. */
export class UnknownCharset extends UnreadableFile {
  override readonly name = "UnknownCharset";
}

/** Whether a charset label is supported. */
export function isCharset(label: string): boolean {
  try {
    new TextDecoder(label);
    return true;
  } catch {
    return false;
  }
}

/**
 * Decodes the bytes as text, without a byte order mark.
 *
 * @param name The file's name in messages.
 * @param charset The charset that the user named; a byte order mark takes precedence.
 * @throws {UnknownCharset} if nothing determines the charset.
 * @throws {UnreadableFile} if the file is not in the named charset, or is not text.
 */
export function textOf(bytes: Uint8Array, name: string, charset?: string): string {
  if (bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4) {
    throw new UnreadableFile(`${name} is a workbook of a spreadsheet: save it as "CSV UTF-8" and give that.`);
  }
  const known = marked(bytes) ?? charset ?? zeros(bytes);
  if (known === undefined) {
    const text = decoded(bytes, "utf-8");
    if (text !== undefined) return text;
    throw new UnknownCharset(
      `${name} is not UTF-8, and nothing in it says which charset it is in. ` +
        `Spreadsheets of western Europe and America on Windows write windows-1252.`,
    );
  }
  const text = decoded(bytes, known);
  // Bytes that a charset does not use decode to control characters, which text does not contain.
  if (text === undefined || (!/^utf/i.test(known) && /[\u0080-\u009f]/.test(text))) {
    throw new UnreadableFile(`${name} is not in ${known}: it has bytes that mean nothing there.`);
  }
  return text;
}

function decoded(bytes: Uint8Array, charset: string): string | undefined {
  try {
    return new TextDecoder(charset, { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** The charset that a byte order mark indicates. */
function marked([a, b, c]: Uint8Array): string | undefined {
  if (a === 0xef && b === 0xbb && c === 0xbf) return "utf-8";
  if (a === 0xff && b === 0xfe) return "utf-16le";
  if (a === 0xfe && b === 0xff) return "utf-16be";
}

/** UTF-16 without a mark: the start of a heading or of JSON is ASCII, with a zero byte for each character. */
function zeros(bytes: Uint8Array): string | undefined {
  const begin = bytes.subarray(0, 8);
  if (begin.length < 8) return undefined;
  const isZero = (odd: number) => begin.every((byte, at) => (byte === 0) === (at % 2 === odd));
  return isZero(1) ? "utf-16le" : isZero(0) ? "utf-16be" : undefined;
}
