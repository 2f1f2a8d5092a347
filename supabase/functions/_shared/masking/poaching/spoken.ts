/**
 * Numbers in words: English, Spanish, French, Portuguese, German, in one table, because they rarely collide.
 * Pure.
 *
 * @module
 */

/** Words by the number that they say, each language's after the other. No diacritics: texts are folded. */
const SPOKEN: readonly (readonly [number, string])[] = [
  [0, "zero zeros nought naught nil oh cero null nul"],
  [1, "one uno una un une um uma ein eins eine"],
  [2, "two dos deux dois duas zwei zwo"],
  [3, "three tres trois drei"],
  [4, "four cuatro quatre quatro vier"],
  [5, "five cinco cinq funf fuenf"],
  [6, "six seis sechs meia"],
  [7, "seven siete sept sete sieben"],
  [8, "eight ocho huit oito acht"],
  [9, "nine niner nueve neuf nove neun"],
  [10, "ten diez dix dez zehn"],
  [11, "eleven once onze elf"],
  [12, "twelve doce douze doze zwolf"],
  [13, "thirteen trece treize treze dreizehn"],
  [14, "fourteen catorce quatorze catorze vierzehn"],
  [15, "fifteen quince quinze funfzehn"],
  [16, "sixteen dieciseis seize dezesseis dezasseis sechzehn"],
  [17, "seventeen diecisiete dezessete dezassete siebzehn"],
  [18, "eighteen dieciocho dezoito achtzehn"],
  [19, "nineteen diecinueve dezenove dezanove neunzehn"],
  [20, "twenty veinte vingt vingts vinte zwanzig"],
  [21, "veintiuno"],
  [22, "veintidos"],
  [23, "veintitres"],
  [24, "veinticuatro"],
  [25, "veinticinco"],
  [26, "veintiseis"],
  [27, "veintisiete"],
  [28, "veintiocho"],
  [29, "veintinueve"],
  [30, "thirty treinta trente trinta dreissig"],
  [40, "forty fourty cuarenta quarante quarenta vierzig"],
  [50, "fifty cincuenta cinquante cinquenta funfzig"],
  [60, "sixty sesenta soixante sessenta sechzig"],
  [70, "seventy setenta septante siebzig"],
  [80, "eighty ochenta huitante octante oitenta achtzig"],
  [90, "ninety noventa nonante neunzig"],
  [100, "hundred hundert cent cents cien ciento cem cento"],
  [200, "doscientos duzentos"],
  [300, "trescientos trezentos"],
  [400, "cuatrocientos quatrocentos"],
  [500, "quinientos quinhentos"],
  [600, "seiscientos seiscentos"],
  [700, "setecientos setecentos"],
  [800, "ochocientos oitocentos"],
  [900, "novecientos novecentos"],
];
const VALUES = new Map(
  SPOKEN.flatMap(([value, words]) => words.split(" ").map((word) => [word, value] as const)),
);
const LONGEST = Math.max(...[...VALUES.keys()].map((word) => word.length));
/** Between tens and ones. */
export const JOINING: ReadonlySet<string> = new Set(["y", "e", "et", "und", "and"]);
/** How often the next digit is said. */
export const REPEATS: ReadonlyMap<string, number> = new Map(
  [["double", 2], ["doble", 2], ["doppel", 2], ["duplo", 2], ["triple", 3], ["treble", 3], ["triplo", 3]],
);

/** What one word says, in order; undefined if it is no number. `fivefive` says two, `einundzwanzig` one. */
export function spokenNumbers(word: string): readonly number[] | undefined {
  const value = VALUES.get(word);
  if (value !== undefined) return [value];
  return word.length < 6 ? undefined : germanTens(word) ?? gluedNumbers(word);
}

/** `einundzwanzig`: ones, `und`, tens. */
function germanTens(word: string): readonly number[] | undefined {
  const und = word.indexOf("und", 3);
  if (und < 0) return undefined;
  const ones = VALUES.get(word.slice(0, und)), tens = VALUES.get(word.slice(und + 3));
  if (ones === undefined || tens === undefined || ones > 9 || tens < 20 || tens > 90) return undefined;
  return [tens + ones];
}

/** Stands for the `und` inside of a German number. */
const JOINS = -1;

/** A word that is nothing but numbers, `fivefivefive`. Tries each length at each place: linear. */
function gluedNumbers(word: string): readonly number[] | undefined {
  if (word.length > 200) return undefined;
  const before: ({ at: number; value: number } | undefined)[] = new Array(word.length + 1);
  const reached = new Set([0]);
  for (let at = 0; at < word.length; at++) {
    if (!reached.has(at)) continue;
    for (let end = Math.min(word.length, at + LONGEST); end > at + 1; end--) {
      const part = word.slice(at, end), value = part === "und" && at > 0 ? JOINS : VALUES.get(part);
      if (value === undefined || reached.has(end)) continue;
      reached.add(end);
      before[end] = { at, value };
    }
  }
  if (!reached.has(word.length)) return undefined;
  const numbers: number[] = [];
  for (let at = word.length; at > 0; at = before[at]!.at) {
    if (before[at]!.value !== JOINS) numbers.unshift(before[at]!.value);
  }
  return numbers;
}

/**
 * What two numbers said one after the other are as one: `sixty` `five` is 65, `soixante` `dix` is 70, `quatre`
 * `vingt` is 80; undefined if they are two.
 */
export function together(
  first: number,
  second: number,
  words: readonly [string, string],
): number | undefined {
  if (words[0] === "quatre" && words[1].startsWith("vingt")) return 80;
  if (words[0] === "dix" && second >= 7 && second <= 9) return 10 + second;
  // French counts on from sixty and from eighty to the next score.
  const score = words[0] === "soixante" || words[1] !== "dix" && first === 80 || first === 80;
  if ((first === 60 || first === 80) && score && second >= 10 && second <= 19) return first + second;
  if (second === 100 && first >= 1 && first <= 9) return first * 100;
  if (second <= 0 || first < 20 || second >= 100) return undefined;
  if (first % 100 === 0) return first + second;
  return first % 10 === 0 && first < 100 && second < 10 ? first + second : undefined;
}

const LEET: Readonly<Record<string, string>> = {
  "0": "o",
  "1": "i",
  "3": "e",
  "4": "a",
  "5": "s",
  "7": "t",
  "8": "b",
  "@": "a",
  "$": "s",
  "!": "i",
};
/** A word whose letters were replaced by digits and marks: `v3nmo`, `f1ve`. */
export const unleet = (text: string): string => Array.from(text, (unit) => LEET[unit] ?? unit).join("");

const CONFUSED: Readonly<Record<string, string>> = { o: "0", l: "1", i: "1", s: "5", b: "8", z: "2" };
/** The digits that a text of digits and letters alike shows, `65o` and `o1l3`; undefined if it shows others. */
export function confusedDigits(text: string): string | undefined {
  let digits = "";
  for (const unit of text) {
    const digit = unit >= "0" && unit <= "9" ? unit : CONFUSED[unit];
    if (digit === undefined) return undefined;
    digits += digit;
  }
  return digits;
}
