/**
 * How many segments a text is sent as. Carriers and providers count, pace and bill segments.
 *
 * Sources: 3GPP TS 23.038 (the GSM 7 bit default alphabet and its extension table), 3GPP TS 23.040 9.2.3.24.1 (the
 * header of joined segments).
 *
 * @module
 */

/** GSM-7, or UTF-16 where a character is not in its tables. */
export type Encoding = "GSM-7" | "UCS-2";

/** A text as it is sent. */
export interface Segments {
  readonly encoding: Encoding;
  /** At least 1. */
  readonly segments: number;
  /** Septets (characters of the extension table count two), or UTF-16 units. */
  readonly units: number;
  /** Units that fit into the last segment. */
  readonly left: number;
  /** The first characters that force UCS-2, each once, at most ten; empty for GSM-7. */
  readonly outside: readonly string[];
}

const BASIC = new Set(
  "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà",
);
const EXTENSION = new Set("\f^{}\\[~]|€");

/** Room of a text alone, and of each joined segment, whose header takes the rest. */
const ROOM = { "GSM-7": { alone: 160, joined: 153 }, "UCS-2": { alone: 70, joined: 67 } } as const;

/** The most characters of a text that providers take. */
export const MAX_TEXT = 1600;

const MAX_OUTSIDE = 10;

/**
 * Counts the segments of a text. A character that takes two units (an escape sequence, a surrogate pair) is not split
 * between two segments.
 */
export function segmentsOf(text: string): Segments {
  const outside = new Set<string>();
  for (const char of text) {
    if (outside.size < MAX_OUTSIDE && !BASIC.has(char) && !EXTENSION.has(char)) outside.add(char);
  }
  const encoding: Encoding = outside.size === 0 ? "GSM-7" : "UCS-2";
  const { alone, joined } = ROOM[encoding];
  let units = 0, segments = 1, inLast = 0;
  for (const char of text) {
    const size = encoding === "UCS-2" ? char.length : EXTENSION.has(char) ? 2 : 1;
    units += size;
    if (inLast + size > joined) {
      segments++;
      inLast = 0;
    }
    inLast += size;
  }
  if (units <= alone) return { encoding, segments: 1, units, left: alone - units, outside: [...outside] };
  return { encoding, segments, units, left: joined - inLast, outside: [...outside] };
}

/** Characters that look the same in GSM-7, and cost a text its 160 characters if they are left as typed. */
const PLAIN: Readonly<Record<string, string>> = {
  ...each("‘’‚‛′`´ʼ", "'"),
  ...each("“”„‟″«»", '"'),
  ...each("‐‑‒–—―−", "-"),
  ...each("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000\t", " "),
  ...each("\u200b\u200c\u2060\ufeff\u00ad", ""),
  "…": "...",
  "•": "-",
  "·": ".",
  "⁄": "/",
};

function each(chars: string, plain: string): Record<string, string> {
  return Object.fromEntries([...chars].map((char) => [char, plain]));
}

/**
 * The text with typographic characters (curly quotes, dashes, special blanks) in their GSM-7 form, if it then is GSM-7;
 * else unchanged, because nothing would be gained.
 */
export function withPlainCharacters(text: string): string {
  let plain = "";
  for (const char of text) {
    const known = BASIC.has(char) || EXTENSION.has(char) ? char : PLAIN[char];
    if (known === undefined) return text;
    plain += known;
  }
  return plain;
}
