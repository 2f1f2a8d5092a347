/**
 * Folding a text for detection: one spelling for what looks or reads the same, with a map back to the
 * original.
 *
 * Per character: compatibility forms (full-width, circled, mathematical), decimal digits of any script,
 * keycaps, regional indicators, look-alikes of Cyrillic and Greek, lower case, no diacritics. Invisible
 * characters are dropped. The result is plain: letters a to z, digits, marks and spaces.
 *
 * Cost: linear in the length of the text.
 *
 * @module
 */

/** A folded text. `starts[i]` and `ends[i]` are the offsets of the original character of `text[i]`. */
export interface Folded {
  readonly text: string;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

const DROPPED = /^[\p{Cf}\p{M}\u115f\u1160\u3164\uffa0\u00ad]$/u;
const DECIMAL = /^\p{Nd}$/u;
const SPACE = /^\s$/u;

/** Letters that look like Latin ones, and letters that no decomposition reaches. */
const LOOK_ALIKES = new Map(
  [
    ..."аa еe оo рp сc уy хx іi јj ѕs кk мm нh тt вb ԁd ɡg ӏl һh ԛq ԝw".split(" "),
    ..."οo αa ρp νv ιi κk τt υu χx εe ηn βb ωw".split(" "),
    ..."ıi øo łl đd ħh".split(" "),
    ..."。. ｡. ‐- ‑- ‒- –- —- ―- −- ﹣- ’' ‘' ʼ' `' ´' “\" ”\" «\" »\" ·. •. ∙. ⁄/ ∕/ ‚, ٫. ․. ﹒. ㏂.".split(
      " ",
    ),
  ].map((pair) => {
    const [from, ...to] = [...pair];
    return [from, to.join("")] as const;
  }),
);
const LONGER = new Map([["ß", "ss"], ["æ", "ae"], ["œ", "oe"], ["🔟", "10"], ["💯", "100"]]);

/** Digits in dingbats, which Unicode does not call decimal. */
const DINGBATS: readonly (readonly [first: number, last: number, value: number])[] = [
  [0x2776, 0x277e, 1],
  [0x2780, 0x2788, 1],
  [0x278a, 0x2792, 1],
  [0x24ff, 0x24ff, 0],
  [0x1f10b, 0x1f10c, 0],
];

/**
 * Folds a text.
 *
 * @example
 * ```ts
 * fold("６５０ Nоrа").text; // "650 nora", the second о and а having been Cyrillic
 * ```
 */
export function fold(original: string): Folded {
  let text = "";
  const starts: number[] = [], ends: number[] = [];
  let at = 0;
  for (const character of original) {
    const end = at + character.length;
    for (const unit of foldCharacter(character)) {
      text += unit;
      // An astral character is two units of the folded text, and both lead to it.
      for (let i = 0; i < unit.length; i++) starts.push(at), ends.push(end);
    }
    at = end;
  }
  return { text, starts, ends };
}

function foldCharacter(character: string): string {
  const code = character.codePointAt(0)!;
  if (code >= 0x61 && code <= 0x7a || code >= 0x20 && code <= 0x40 && code !== 0x27) return character;
  if (SPACE.test(character)) return " ";
  if (DROPPED.test(character)) return "";
  const longer = LONGER.get(character);
  if (longer !== undefined) return longer;
  if (code >= 0x1f1e6 && code <= 0x1f1ff) return String.fromCharCode(0x61 + code - 0x1f1e6);
  for (const start of [0x1f170, 0x1f150, 0x1f130]) {
    if (code >= start && code < start + 26) return String.fromCharCode(0x61 + code - start);
  }
  for (const [first, last, value] of DINGBATS) {
    if (code >= first && code <= last) return String(value + code - first);
  }
  let folded = "";
  // One character becomes at most 18 here, whatever it is.
  for (const part of character.normalize("NFKD").toLowerCase().normalize("NFKD")) {
    if (DROPPED.test(part)) continue;
    folded += DECIMAL.test(part) ? String(valueOf(part)) : LONGER.get(part) ?? LOOK_ALIKES.get(part) ?? part;
  }
  return SPACE.test(folded) ? " " : folded;
}

/** The value of a decimal digit. Blocks of ten begin at a code that ends in 0 or, in Indic scripts, in 6. */
function valueOf(digit: string): number {
  const code = digit.codePointAt(0)!, low = code & 0xf, block = code - low;
  return DECIMAL.test(String.fromCodePoint(block)) ? low : low - 6;
}

/**
 * The same text without the spaces or marks between single characters that are spaced out, as in `n o r a` or
 * `n-o-r-a`; undefined if nothing is. Four letters or digits at least, so that `a b c` stays.
 */
export function closeUp(folded: Folded): Folded | undefined {
  const { text, starts, ends } = folded;
  const dropped = new Set<number>();
  for (const gap of [" ", "-", ".", "*", "_", "/"]) {
    let first = 0;
    while (first < text.length) {
      // A run: one character, a gap, one character, a gap, … A space may be followed by further ones.
      let last = first, units = isUnit(text[first], gap) ? 1 : 0;
      const gaps: number[] = [];
      let at = first + 1;
      while (units > 0 && text[at] === gap) {
        let next = at + 1;
        while (gap === " " && text[next] === gap) next++;
        if (next >= text.length || !isUnit(text[next], gap)) break;
        if (isUnit(text[next + 1], "") && text[next + 1] !== gap) break;
        for (let i = at; i < next; i++) gaps.push(i);
        if (isLetterOrDigit(text[next])) units++;
        last = next;
        at = next + 1;
      }
      const whole = first === 0 || !isLetterOrDigit(text[first - 1]);
      if (units >= 4 && whole && hasLetters(text, first, last)) { for (const i of gaps) dropped.add(i); }
      first = Math.max(last, first) + 1;
    }
  }
  if (dropped.size === 0) return undefined;
  const kept = [...text].length === text.length ? text : undefined;
  const closed = { text: "", starts: [] as number[], ends: [] as number[] };
  for (let i = 0; i < text.length; i++) {
    if (dropped.has(i)) continue;
    closed.text += (kept ?? text)[i];
    closed.starts.push(starts[i]);
    closed.ends.push(ends[i]);
  }
  return closed;
}

const isLetterOrDigit = (unit: string | undefined) =>
  unit !== undefined && (unit >= "a" && unit <= "z" || unit >= "0" && unit <= "9");
/** What may stand alone in a text that is spaced out: also the marks of an address, if spaces are the gaps. */
const isUnit = (unit: string | undefined, gap: string) =>
  isLetterOrDigit(unit) || gap === " " && unit !== undefined && "@._-".includes(unit);
function hasLetters(text: string, from: number, to: number): boolean {
  let letters = 0;
  for (let i = from; i <= to; i++) if (text[i] >= "a" && text[i] <= "z") letters++;
  return letters >= 3;
}
