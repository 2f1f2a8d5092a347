/**
 * Text comparison: text that looks the same to a person is equal, and a keyword is a whole word in any
 * script.
 *
 * @module
 */
import { normalise } from "../contract/routing/normalise.ts";
import type { MessageFacts } from "./facts.ts";

/**
 * Removes the difference between upper and lower case from normalised text. It converts to upper case, which
 * also unites "ß" with "ss" and the two small sigmas; the Turkish "İ" is first reduced to "I", so that
 * "İPTAL" equals "iptal".
 */
export function fold(normalised: string): string {
  return normalised.toLowerCase().replaceAll("i\u0307", "i").toUpperCase().normalize("NFKC");
}

/** A message's body in the two forms that conditions compare. */
export interface TextView {
  readonly exact: string;
  readonly folded: string;
}

const views = new WeakMap<MessageFacts, TextView>();

/** The view of a message's body, computed once per message; undefined if it has no body. */
export function viewOf(message: MessageFacts): TextView | undefined {
  if (message.body === undefined) return undefined;
  let view = views.get(message);
  if (view === undefined) {
    const exact = normalise(message.body);
    view = { exact, folded: fold(exact) };
    views.set(message, view);
  }
  return view;
}

const WORD = /[\p{L}\p{M}\p{N}]/u;
/** Scripts written without spaces between words. */
const UNSPACED = /[\p{scx=Han}\p{scx=Hira}\p{scx=Kana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmr}\p{scx=Mymr}]/u;

let segmenter: Intl.Segmenter | undefined;

/** Positions at which the platform's dictionary ends a word; used only inside scripts without spaces. */
function dictionaryBreaks(text: string): Set<number> {
  segmenter ??= new Intl.Segmenter(undefined, { granularity: "word" });
  const breaks = new Set<number>([text.length]);
  for (const segment of segmenter.segment(text)) breaks.add(segment.index);
  return breaks;
}

/** The character that ends just before `position`; a surrogate pair counts as one. */
function before(text: string, position: number): string {
  const low = text.charCodeAt(position - 1);
  const pair = low >= 0xdc00 && low <= 0xdfff && position > 1;
  return text.slice(position - (pair ? 2 : 1), position);
}

/**
 * Whether `text` contains `keyword` as whole words. Both in the same form (see `normalise`, `fold`).
 *
 * A word is a run of letters, marks and digits, so `*stop*`, `_stop_` and "stop!" contain "stop", and
 * "stopped" does not. Inside Chinese, Japanese, Thai, Lao, Khmer and Burmese, which write no spaces, the
 * platform's dictionary finds the word boundaries (Intl.Segmenter): 東京都 contains 東京, not 京都. A keyword of
 * several words is one phrase.
 */
export function holdsWord(text: string, keyword: string): boolean {
  let breaks: Set<number> | undefined;
  const isEdge = (position: number): boolean => {
    if (position === 0 || position === text.length) return true;
    const left = before(text, position);
    const right = String.fromCodePoint(text.codePointAt(position)!);
    if (!WORD.test(left) || !WORD.test(right)) return true;
    const leftUnspaced = UNSPACED.test(left), rightUnspaced = UNSPACED.test(right);
    if (leftUnspaced !== rightUnspaced) return !/\p{M}/u.test(right); // a mark belongs to the letter before it
    return leftUnspaced && (breaks ??= dictionaryBreaks(text)).has(position);
  };
  if (keyword === "") return false;
  for (let at = text.indexOf(keyword); at !== -1; at = text.indexOf(keyword, at + 1)) {
    if (isEdge(at) && isEdge(at + keyword.length)) return true;
  }
  return false;
}
