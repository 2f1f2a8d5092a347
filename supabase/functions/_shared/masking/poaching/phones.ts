/**
 * Phone numbers in digits, in words, in both. Pure; linear in the number of tokens.
 *
 * Numbers are read into items (what a word or a figure says), items into runs (what only marks, spaces and
 * small words separate), and a run of seven digits or more is scored: by the numbering plans, by how it is
 * written, by the words around it, and by what explains it otherwise.
 *
 * @module
 */
import type { Find, PoachingContext } from "./finding.ts";
import type { Hit } from "./lexicon.ts";
import { COUNTRIES, possible } from "./plans.ts";
import { confusedDigits, JOINING, REPEATS, spokenNumbers, together, unleet } from "./spoken.ts";
import { type Explained, explainNumbers } from "./subtract.ts";
import type { Token } from "./tokens.ts";

/** A number that is said or written: its digits, and the tokens `first` to `last`. */
interface Item {
  digits: string;
  value: number;
  words: [first: string, last: string];
  first: number;
  last: number;
  spoken: boolean;
  explained: Explained;
}

/** Small words between parts of one number. */
const FILLERS: ReadonlySet<string> = new Set(
  ("then and y e et und dann puis ensuite luego depois entao despues dash hyphen space guion tiret strich traco area code followed by point punto punkt " +
    "ponto dot plus again finally suivi de the rest is next end ends with start starts last der rest ist resto es le reste est o")
    .split(" "),
);
/** Marks that end a number. */
const ENDING = new Set(["=", "?", "%", "°", "$", "€", "£", "@", '"']);

/** Every run of digits that may be a phone number. */
export function findPhones(tokens: readonly Token[], hits: readonly Hit[], context: PoachingContext): Find[] {
  const items = itemsOf(tokens);
  const finds: Find[] = [];
  const isNear = nearness(tokens, hits);
  let first = 0;
  while (first < items.length) {
    let last = first, loose = 0;
    while (last + 1 < items.length) {
      const gap = gapOf(tokens, items[last], items[last + 1]);
      if (gap === undefined || items[last].explained !== items[last + 1].explained) break;
      if (gap === "loose") loose++;
      last++;
    }
    const find = judgeRun(tokens, items.slice(first, last + 1), loose, isNear, context);
    if (find !== undefined) finds.push(find);
    first = last + 1;
  }
  return finds;
}

function itemsOf(tokens: readonly Token[]): Item[] {
  const explained = explainNumbers(tokens);
  const items: Item[] = [];
  let repeat = 1;
  for (let i = 0; i < tokens.length; i++) {
    const { kind, text } = tokens[i];
    if (kind === "mark") continue;
    const cluster = clusterAt(tokens, i);
    if (cluster !== undefined) {
      const { digits, last } = cluster;
      if (digits !== undefined) {
        // A letter inside of a number is no unit of measure.
        const why = explained.slice(i, last + 1).includes("label") ? "label" : undefined;
        items.push({ digits, value: NaN, words: ["", ""], first: i, last, spoken: false, explained: why });
      }
      i = last;
      continue;
    }
    if (kind === "number") {
      items.push({
        digits: text,
        value: NaN,
        words: ["", ""],
        first: i,
        last: i,
        spoken: false,
        explained: explained[i],
      });
      continue;
    }
    const times = REPEATS.get(text);
    if (times !== undefined) {
      repeat = times;
      continue;
    }
    // The letter o is a zero between numbers only.
    const numbers = text === "o" && items.at(-1)?.last === i - 1 ? [0] : spokenNumbers(text);
    if (numbers === undefined) {
      repeat = 1;
      continue;
    }
    for (const value of numbers) addSpoken(tokens, items, value, text, i, repeat);
    repeat = 1;
  }
  return items;
}

/** Adds a number in words, to the one before it if the two are one: `sixty five`, `soixante dix`. */
function addSpoken(
  tokens: readonly Token[],
  items: Item[],
  value: number,
  word: string,
  at: number,
  repeat: number,
): void {
  const before = items.at(-1);
  if (before?.spoken && repeat === 1 && isBeside(tokens, before.last, at)) {
    const whole = together(before.value, value, [before.words[1], word]) ??
      (JOINING.has(tokens[at - 1]?.text) && before.value < 10 && value >= 20 && value < 100
        ? value + before.value
        : undefined);
    if (whole !== undefined) {
      Object.assign(before, {
        digits: String(whole),
        value: whole,
        last: at,
        words: [before.words[0], word],
      });
      return;
    }
  }
  const digits = String(value).repeat(repeat);
  items.push({
    digits,
    value: repeat === 1 ? value : NaN,
    words: [word, word],
    first: at,
    last: at,
    spoken: true,
    explained: undefined,
  });
}

/** Whether only a hyphen or a joining word is between two tokens. */
function isBeside(tokens: readonly Token[], before: number, at: number): boolean {
  if (before === at || before === at - 1) return true;
  const between = tokens[at - 1];
  return before === at - 2 && (between.text === "-" || between.kind === "word" && JOINING.has(between.text));
}

/** Words that letters of a measure may be. */
const MEASURES = /^(?:lbs?|oz|ls?|s|b|i|is|so|st|ii)$/;

/**
 * Letters and digits without a space between them, if the first is at `i` and there is more than one: the digits
 * they show (`65o`, `f1ve`), or none if they are a code (`UA1550`, `39B98C`).
 */
function clusterAt(
  tokens: readonly Token[],
  i: number,
): { digits: string | undefined; last: number } | undefined {
  let last = i, text = tokens[i].text, letters = tokens[i].kind === "word";
  if (tokens[i + 1]?.glued !== true || tokens[i + 1].kind === "mark") return undefined;
  while (tokens[last + 1]?.glued && tokens[last + 1].kind !== "mark") {
    last++;
    letters ||= tokens[last].kind === "word";
    text += tokens[last].text;
  }
  if (!letters) return undefined;
  const word = spokenNumbers(unleet(text));
  if (word !== undefined) return { digits: word.map(String).join(""), last };
  // Number words and digits glued are read one by one.
  let digits = "";
  for (let at = i; at <= last; at++) {
    const { kind, text: part } = tokens[at];
    const read = kind === "number" ? part : spokenNumbers(part)?.map(String).join("") ??
      (MEASURES.test(part) && at === last ? undefined : confusedDigits(part));
    if (read === undefined) {
      // A unit behind a number leaves the number to itself: 9h30, 55lbs.
      return at > i && last - i <= 2 && tokens[i].kind === "number" && part.length <= 4
        ? undefined
        : { digits: undefined, last };
    }
    digits += read;
  }
  return { digits, last };
}

/** What separates two items: nothing that matters, a comma or an `and`, or something that ends the number. */
function gapOf(tokens: readonly Token[], a: Item, b: Item): "tight" | "loose" | undefined {
  let marks = 0, words = 0, loose = false;
  for (let at = a.last + 1; at < b.first; at++) {
    const { kind, text, glued } = tokens[at];
    if (kind === "number") return undefined;
    if (kind === "word") {
      if (REPEATS.has(text)) continue;
      if (!FILLERS.has(text) || ++words > 3) return undefined;
      // "and then" goes on with the same number; "and" alone may begin another one.
      if (JOINING.has(text) && tokens[at + 1]?.kind !== "word") loose = true;
      continue;
    }
    if (ENDING.has(text) || ++marks > 6) return undefined;
    // A sum, or the sign of a new international number.
    if (text === "+" && !(tokens[at + 1]?.glued && glued)) return undefined;
    if (text === "," && !tokens[at + 1]?.glued) loose = true;
  }
  return loose ? "loose" : "tight";
}

type Near = (
  first: number,
  last: number,
) => { phone: boolean; mine: boolean; official: boolean; contact: boolean };

/** Which words are around a run, within nine tokens before and six after it. Sums make each question cheap. */
function nearness(tokens: readonly Token[], hits: readonly Hit[]): Near {
  const sums = (concept: Hit["concept"]) => {
    const sum = new Uint32Array(tokens.length + 1);
    for (const hit of hits) if (hit.concept === concept) sum[hit.first + 1]++;
    for (let i = 1; i < sum.length; i++) sum[i] += sum[i - 1];
    return (from: number, to: number) => sum[Math.min(tokens.length, to + 1)] > sum[Math.max(0, from)];
  };
  const number = sums("phone"),
    half = sums("half"),
    my = sums("my"),
    official = sums("official"),
    contact = sums("contact");
  return (first, last) => ({
    phone: number(first - 9, last + 6) || half(first - 9, last),
    mine: my(first - 9, last + 6),
    official: official(first - 9, last + 3),
    contact: contact(first - 9, last + 6),
  });
}

function judgeRun(
  tokens: readonly Token[],
  run: readonly Item[],
  loose: number,
  near: Near,
  context: PoachingContext,
): Find | undefined {
  const digits = run.map((item) => item.digits).join("");
  if (digits.length < 7 || digits.length > 40) return undefined;
  const { first } = run[0], { last } = run[run.length - 1];
  const reason = run[0].explained;
  if (reason === "measure") return undefined;
  const before = tokens[first - 1], abroad = before?.text === "+";
  if (isTimes(run)) return undefined;
  if (isAllowed(digits, context.allowedNumbers ?? [])) return undefined;
  // A part of a code: INV-2026-000415.
  if (
    before?.text === "-" && before.glued && tokens[first].glued && tokens[first - 2]?.kind === "word" &&
    !abroad
  ) return undefined;
  if (!abroad && (isIsbn(digits) || isChip(digits))) return undefined;
  const spoken = run.filter((item) => item.spoken).length;
  const kind = digits.length > 15 ? "none" : possible(digits, abroad, context.countries ?? COUNTRIES);
  const around = near(first, last);
  const said = around.phone || around.contact && (around.mine || digits.length >= 9);
  let score = kind === "international"
    ? 0.95
    : kind === "national"
    ? 0.85
    : kind === "local"
    ? said ? 0.8 : 0.45
    : said
    ? 0.6
    : 0.25;
  if (kind === "none" && digits.length >= 10 && digits.length <= 13 && run.length >= 3) {
    score = Math.max(score, 0.6);
  }
  if (spoken >= 5 && digits.length >= 8) score = Math.max(score, kind === "none" ? 0.78 : 0.85);
  if (
    kind === "local" && run.length > 1 && /^555|^[2-9]\d\d$/.test(run[0].digits) &&
    run[0].digits.length === 3 && run.at(-1)!.digits.length === 4
  ) {
    score = Math.max(score, 0.6);
  }
  // A list of figures, not a number: 65, 55, 50 and 61.
  if (loose > 0 && spoken < 4 && !said) score -= loose >= run.length - 1 ? 0.6 : 0.25;
  if (!said && spoken === 0 && run.length >= 3 && isCounting(run)) score -= 0.5;
  if (reason === "label") {
    score = digits.length >= 9 && (kind === "national" || kind === "international") && !isOneFigure(run)
      ? 0.45
      : 0.2;
  }
  if (around.official && !around.mine) score = Math.min(score, 0.5);
  return {
    type: "phone",
    rule: `phone.${kind}${spoken > 0 ? ".words" : ""}`,
    from: tokens[abroad ? first - 1 : first].from,
    to: tokens[last].to,
    score,
  };
}

const isOneFigure = (run: readonly Item[]) => run.length === 1;

/** Small figures that grow one by one: 1, 2, 3, 4, 5, 6, 7. */
const isCounting = (run: readonly Item[]) =>
  run.every((item, i) => i === 0 || Number(item.digits) - Number(run[i - 1].digits) === 1);

/** `um sieben, um zwölf`: the German word before a time is the Portuguese one for one. */
const isTimes = (run: readonly Item[]) =>
  run.length >= 4 && run.length % 2 === 0 &&
  run.every(({ words }, i) => (words[0] === "um") === (i % 2 === 0));

/** ISO 11784: fifteen digits, of a country or a maker. */
const isChip = (digits: string) => digits.length === 15 && digits.startsWith("9");

function isIsbn(digits: string): boolean {
  if (digits.length !== 13 || !/^97[89]/.test(digits)) return false;
  const sum = [...digits].reduce((total, digit, i) => total + Number(digit) * (i % 2 === 0 ? 1 : 3), 0);
  return sum % 10 === 0;
}

/** Whether a number that may be named ends with these digits, or they with it: written with or without codes. */
function isAllowed(digits: string, allowed: readonly string[]): boolean {
  return allowed.some((number) => {
    const bare = number.replace(/\D/g, "").replace(/^0+/, ""), run = digits.replace(/^0+/, "");
    return bare.length >= 7 && run.length >= 7 && (bare.endsWith(run) || run.endsWith(bare));
  });
}
