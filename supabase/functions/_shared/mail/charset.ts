/**
 * Bytes to text, in whatever charset a mail states, and the clean-up that Postgres needs.
 *
 * Failure policy: open. Text is always returned; what cannot be decoded becomes U+FFFD, because a mail with a damaged
 * character is worth more than no mail.
 *
 * @module
 */

const UTF8_STRICT = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const UTF8 = new TextDecoder("utf-8");
const WINDOWS_1252 = new TextDecoder("windows-1252");

/** Upper half of code page 850, which the WHATWG's encodings lack and mailers of DOS times state. */
const CP850 = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤" +
  "ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u00ad±‗¾¶§÷¸°¨·¹³²■\u00a0";
/** Upper half of code page 437, likewise. */
const CP437 = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧" +
  "╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0";
const TABLES: Readonly<Record<string, string>> = {
  cp850: CP850,
  ibm850: CP850,
  "850": CP850,
  cp437: CP437,
  ibm437: CP437,
  "437": CP437,
};

/** Labels in use that `TextDecoder` does not know, and what they mean there. */
const ALIASES: Readonly<Record<string, string>> = {
  "utf8mb4": "utf-8",
  "utf-8-mac": "utf-8",
  "unicode-1-1-utf-8": "utf-8",
  "cp932": "shift_jis",
  "ms932": "shift_jis",
  "iso-2022-jp-2": "iso-2022-jp",
  "iso-2022-jp-ms": "iso-2022-jp",
  "cp50220": "iso-2022-jp",
  "cp51932": "euc-jp",
  "cp936": "gb18030",
  "cp949": "euc-kr",
  "ks_c_5601": "euc-kr",
  "cp950": "big5",
  "big5-hkscs:2004": "big5",
  "cp1250": "windows-1250",
  "cp1251": "windows-1251",
  "cp1252": "windows-1252",
  "cp1253": "windows-1253",
  "cp1254": "windows-1254",
  "cp1255": "windows-1255",
  "cp1256": "windows-1256",
  "cp1257": "windows-1257",
  "cp1258": "windows-1258",
  "koi8r": "koi8-r",
  "koi8u": "koi8-u",
  "iso8859-8-i": "iso-8859-8-i",
  "macroman": "macintosh",
};

/** Labels that say nothing about bytes over 127: the text is looked at instead. */
const VAGUE = new Set([
  "us-ascii",
  "ascii",
  "ansi_x3.4-1968",
  "7bit",
  "8bit",
  "unknown-8bit",
  "unknown",
  "x-unknown",
]);

/** A decoder for a label; undefined if the platform has none. Labels of mails are many, so only decoders are kept. */
const decoders = new Map<string, TextDecoder>();
function decoderOf(label: string): TextDecoder | undefined {
  const known = decoders.get(label);
  if (known !== undefined) return known;
  try {
    // RangeError for labels that the platform does not know, or replaces for safety (iso-2022-kr, hz-gb-2312).
    const decoder = new TextDecoder(label);
    decoders.set(label, decoder);
    return decoder;
  } catch {
    return undefined;
  }
}

/** Text without a charset that is known: UTF-8 if it is valid, else windows-1252, in which every byte has a meaning. */
export function guess(bytes: Uint8Array): string {
  try {
    return UTF8_STRICT.decode(bytes);
  } catch {
    return WINDOWS_1252.decode(bytes);
  }
}

/**
 * Decodes a part's bytes.
 *
 * @param label Of the Content-Type header; null or empty if there is none.
 */
export function decodeCharset(bytes: Uint8Array, label: string | null): string {
  // A language may follow the charset (RFC 2231 5).
  const asked = (label ?? "").split("*", 1)[0].trim().toLowerCase().slice(0, 60);
  if (asked === "" || VAGUE.has(asked)) return guess(bytes);
  if (asked === "utf-8" || asked === "utf8") return UTF8.decode(bytes);
  const bare = asked.startsWith("x-") ? asked.slice(2) : asked;
  const table = TABLES[bare];
  if (table !== undefined) return byTable(bytes, table);
  if (bare === "utf-7" || bare === "unicode-1-1-utf-7") return utf7(bytes);
  const name = Object.hasOwn(ALIASES, bare) ? ALIASES[bare] : asked;
  const decoder = decoderOf(name) ?? decoderOf(bare);
  return decoder === undefined ? guess(bytes) : decoder.decode(bytes);
}

function byTable(bytes: Uint8Array, table: string): string {
  const pieces: string[] = [];
  for (let from = 0; from < bytes.length; from += 4096) {
    let piece = "";
    for (const byte of bytes.subarray(from, from + 4096)) {
      piece += byte < 128 ? String.fromCharCode(byte) : table[byte - 128];
    }
    pieces.push(piece);
  }
  return pieces.join("");
}

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** UTF-7 (RFC 2152): runs of base64 of UTF-16 between `+` and a character outside the alphabet. */
function utf7(bytes: Uint8Array): string {
  const units: number[] = [];
  const pieces: string[] = [];
  const flush = () => {
    pieces.push(String.fromCharCode(...units.splice(0)));
  };
  for (let at = 0; at < bytes.length; at++) {
    if (units.length > 4000) flush();
    if (bytes[at] !== 0x2b) {
      units.push(bytes[at]);
      continue;
    }
    let [held, count, run] = [0, 0, 0];
    for (at++; at < bytes.length; at++, run++) {
      const digit = BASE64.indexOf(String.fromCharCode(bytes[at]));
      if (digit < 0) break;
      [held, count] = [(held << 6 | digit) & 0x3fffff, count + 6];
      if (count < 16) continue;
      count -= 16;
      units.push(held >> count & 0xffff);
      if (units.length > 4000) flush();
    }
    if (run === 0 && bytes[at] === 0x2d) units.push(0x2b);
    // A hyphen only ends the run; anything else is text.
    if (at < bytes.length && bytes[at] !== 0x2d) at--;
  }
  flush();
  return pieces.join("").toWellFormed();
}

/** Control characters other than tab and line feed, and what C1 leaves of windows-1252. */
// deno-lint-ignore no-control-regex
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g;
/** Any ending of a line. U+2028 and U+2029 are left, since people write them. */
const ENDINGS = /\r\n?/g;

/** Text that Postgres holds and people can read: lines end in LF, no control characters, no lone surrogates. */
export function cleanText(text: string): string {
  return text.replace(ENDINGS, "\n").replace(CONTROLS, "").toWellFormed();
}

/** One line of text: blanks of any kind become one space. For subjects and names. */
export function cleanLine(text: string): string {
  return cleanText(text).replace(/\s+/g, " ").trim();
}

/** The beginning of a text, at most `most` UTF-16 units, never half a character. */
export function firstOf(text: string, most: number): string {
  if (text.length <= most) return text;
  const last = text.charCodeAt(most - 1);
  return text.slice(0, last >= 0xd800 && last < 0xdc00 ? most - 1 : most);
}
