/**
 * Text with entities, as the Bot API takes it: plain text, and beside it which stretches are bold, a quote or a link. So
 * nothing has to be escaped, and nothing can break when a text is cut.
 *
 * Source: Telegram, Bot API, "MessageEntity": offsets and lengths are UTF-16 code units, as those of JavaScript's strings.
 *
 * @module
 */

/** What a stretch of a text is. */
export interface Entity {
  readonly type: "bold" | "italic" | "code" | "blockquote" | "expandable_blockquote" | "text_mention";
  readonly offset: number;
  readonly length: number;
  /** Of a mention: the account. Telegram drops mentions of those who have never written to the bot. */
  readonly user?: { readonly id: number };
}

/** A text with its entities, in the order of their offsets. */
export interface Formatted {
  readonly text: string;
  readonly entities: readonly Entity[];
}

/** A part of a text; a string is one without format. */
export type Part = string | {
  readonly type: Entity["type"];
  readonly text: string;
  readonly user?: Entity["user"];
};

/** Joins parts. Entities begin and end at visible characters, because Telegram moves those that do not. */
export function format(parts: readonly Part[]): Formatted {
  let text = "";
  const entities: Entity[] = [];
  for (const part of parts) {
    const piece = typeof part === "string" ? part : part.text;
    if (typeof part !== "string" && piece.trim() !== "") {
      const offset = text.length + piece.length - piece.trimStart().length;
      entities.push({
        type: part.type,
        offset,
        length: piece.trim().length,
        ...(part.user === undefined ? {} : { user: part.user }),
      });
    }
    text += piece;
  }
  return { text, entities };
}

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });
/** The longest grapheme that is looked at whole; a longer pile of marks is cut between code points. */
const LONGEST = 64;

/**
 * The longest beginning of a text of at most `most` UTF-16 units that ends between two characters as people see them, so
 * never within a surrogate pair or an emoji of several parts.
 */
export function beginning(text: string, most: number): string {
  if (text.length <= most) return text;
  const from = Math.max(0, most - LONGEST);
  let end = from;
  for (const { segment, index } of graphemes.segment(text.slice(from, most + LONGEST))) {
    if (from + index + segment.length > most) break;
    end = from + index + segment.length;
  }
  if (end === from && from > 0) end = most;
  const last = text.charCodeAt(end - 1);
  return text.slice(0, last >= 0xd800 && last < 0xdc00 ? end - 1 : end);
}

/** As {@linkcode beginning}, with … in place of what is left out. */
export function shortened(text: string, most: number): string {
  return text.length <= most ? text : `${beginning(text, most - 1).trimEnd()}…`;
}

/**
 * What strangers wrote, ready to be shown: without control characters and without marks that turn the direction of what
 * comes after them; runs of empty lines become one.
 */
export function shown(text: string): string {
  return text.toWellFormed().replaceAll("\r\n", "\n")
    // deno-lint-ignore no-control-regex
    .replace(/[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]/g, "")
    .replace(/\n{3,}/g, "\n\n")
    .trim();
}

/** As {@linkcode shown}, in one line. */
export function line(text: string): string {
  return shown(text).replace(/\s+/g, " ");
}
