/**
 * Quotes, headers above quotes and signatures in a plain text, found line by line. Each line is looked at a bounded number
 * of times, and no pattern backtracks over more than a line of bounded length: libraries for this take seconds over some
 * kilobytes of the wrong text.
 *
 * When in doubt, a line stays: a lost answer is worse than a quote that is shown.
 *
 * @module
 */
import { DEVICE, DEVICE_LINES, LABELS, SEPARATORS, WROTE } from "./quote_words.ts";

/** Characters of a line that are looked at. Longer ones are paragraphs of people. */
const MOST_LINE = 500;
/** Lines over which the line before a quote may be wrapped. */
const MOST_WRAPPED = 4;
/** Lines of a signature; more is text below a line of dashes. */
const MOST_SIGNATURE = 14;

/** A line as it is compared: without marks of direction, blanks of any kind as one, lower-case. */
function view(line: string): string {
  return line.slice(0, MOST_LINE).normalize("NFKC").replace(
    /[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g,
    "",
  )
    .replaceAll("\u2019", "'").replace(/\s+/g, " ").trim().toLowerCase();
}

/** Whether a line is quoted by `>`. */
const isQuoted = (line: string) => /^[\s\u200e\u200f\u202a-\u202e]{0,8}>/.test(line);
const isBlank = (line: string) => line.trim() === "";

const VERBS = new RegExp(
  `(?:^|[^\\p{L}\\p{M}])(?:${
    WROTE.map((word) => word.replace(/[()/\\\\.]/g, "\\$&")).join("|")
  })(?:$|[^\\p{L}\\p{M}]|:)`,
  "u",
);
const ADDRESS = /<?[^\s<>@]{1,120}@[^\s<>@]{1,200}>?/;
const IN_BRACKETS = /[<\[(](?:mailto:)?[^\s<>@]{1,120}@[^\s<>@]{1,200}[>\])]/;
const TIME = /\d{1,2}[:.h]\d{2}/;
const YEAR = /(?:19|20)\d{2}|\d{1,2}[./-]\d{1,2}[./-]\d{2}/;

/** How sure a text (one to some lines, joined) is the line before a quote. */
function attribution(text: string): "certain" | "likely" | undefined {
  // Lotus Notes puts it between dashes.
  const quoted = text.replace(/^[>\s]{1,8}/, "").replace(/^-{2,20}\s?/, "").replace(/\s?-{2,20}$/, "");
  if (quoted.length < 6 || !/[:：]$/.test(quoted)) return undefined;
  const dated = TIME.test(quoted) || YEAR.test(quoted);
  const verb = VERBS.test(quoted);
  if (verb && quoted !== text && /-{2}$/.test(text)) return "certain";
  if (dated && IN_BRACKETS.test(quoted)) return "certain";
  if (verb && dated && (ADDRESS.test(quoted) || TIME.test(quoted)) && !/\byou wrote:$/.test(quoted)) {
    return "certain";
  }
  return verb || dated ? "likely" : undefined;
}

/** The label of `From: …` and the field that it names; undefined if the line has none. */
function labelled(line: string): keyof typeof LABELS | undefined {
  const text = line.replace(/^[>\s*_|]{1,8}/, "");
  const colon = text.search(/[:：]/);
  if (colon < 1 || colon > 30) return undefined;
  const label = text.slice(0, colon).replace(/[*_\s]{1,30}$/, "").replace(/^[*_\s]{1,30}/, "");
  for (const field of ["from", "date", "to", "subject"] as const) if (LABELS[field].has(label)) return field;
  return undefined;
}

/** Lines between dashes, underscores or alone: `-----Original Message-----`. */
function isSeparator(line: string): boolean {
  const text = line.replace(/^[>\s]{1,8}/, "");
  const words = text.replace(/^[-_*=—–\s]{1,80}/, "").replace(/[-_*=—–:：\s]{1,80}$/, "");
  return words !== "" && SEPARATORS.has(words) &&
    (/^[-_*=—–]{2}/.test(text) || /[:：]$/.test(text));
}

const DEVICES = DEVICE_LINES.map((line) => line.replaceAll("\u2019", "'")).map((line) => {
  const [before, after] = line.split("…").map((part) => part.trim());
  return { before, after: after ?? "" };
});

/** Whether a line is what a device writes below an answer. */
function isDevice(line: string): boolean {
  const text = line.replace(/[.!\s]{1,10}$/, "").replace(/<https?:[^<>]{0,200}>$/, "").trim();
  if (text.length > 120) return false;
  return DEVICES.some(({ before, after }) => {
    if (text.length <= before.length + after.length || !text.startsWith(before) || !text.endsWith(after)) {
      return false;
    }
    const between = text.slice(before.length, text.length - after.length);
    // "Sent from Berlin on Monday" is a person's.
    return between.length <= 60 && DEVICE.test(`${before} ${between} ${after}`);
  });
}

/** The kinds of lines of a text, each found once. */
interface Lines {
  readonly raw: readonly string[];
  readonly views: readonly string[];
}

/** Where a header above an unquoted rest begins: Outlook's block, or a separator; undefined if there is none. */
function headerAt(lines: Lines): number | undefined {
  for (let at = 0; at < lines.raw.length; at++) {
    if (isSeparator(lines.views[at])) return at;
    if (labelled(lines.views[at]) === undefined) continue;
    const found = new Set<string>();
    // Recipients may go on for some lines.
    for (let next = at, other = 0; next < lines.raw.length && next < at + 12 && other < 3; next++) {
      if (isBlank(lines.raw[next])) break;
      const field = labelled(lines.views[next]);
      if (field === undefined) other++;
      else found.add(field);
    }
    const first = labelled(lines.views[at]);
    // People ask for a journey in such lines too, yet neither with a subject nor with addresses.
    const ofMail = found.has("subject") || ADDRESS.test(lines.views[at]);
    if (found.size >= 3 && ofMail && (first === "from" || (first === "date" && found.has("from")))) return at;
  }
  return undefined;
}

/** Attributions by their first line, with the line after them. */
interface Attribution {
  readonly start: number;
  readonly end: number;
  readonly sure: "certain" | "likely";
}

function attributions(lines: Lines): Attribution[] {
  const found: Attribution[] = [];
  for (let at = 0; at < lines.raw.length; at++) {
    if (isBlank(lines.raw[at]) || !/[:：](?:\s?-{2,20})?$/.test(lines.views[at])) continue;
    const least = Math.max(found.at(-1)?.end ?? 0, at - MOST_WRAPPED + 1);
    let joined = "";
    let best: Attribution | undefined;
    for (let start = at; start >= least; start--) {
      if (isBlank(lines.raw[start]) || isQuoted(lines.raw[start]) !== isQuoted(lines.raw[at])) break;
      // A line that was wrapped is nearly full; a short one is a line of its own.
      if (start < at && lines.views[start].length < 30) break;
      joined = `${lines.views[start].replace(/^[>\s]{1,8}/, "")} ${joined}`.trim();
      const sure = attribution(joined);
      if (sure !== undefined && (best === undefined || (best.sure === "likely" && sure === "certain"))) {
        best = { start, end: at + 1, sure };
      }
      if (best?.sure === "certain" && startsSentence(joined)) break;
      // It also begins further up if the line there runs on: `On Tue, …, Alex Morgan` / `<address> wrote:`.
      if (best?.sure === "certain" && start > least && runsOn(lines, start - 1, at)) {
        best = { ...best, start: start - 1 };
      }
    }
    if (best !== undefined) found.push(best);
  }
  return found;
}

/** Words with which lines before a quote begin. */
const STARTS =
  /^(?:on|am|le|el|il|em|op|den|på|pe|dne|dňa|w dniu|dnia|a|în data|la data|at|в|во|на|в\s|у|στις|vào|pada|ב|في|بتاريخ|在|於|于|\d{1,4}[-./年 ])(?:\s|$|\d|,)?/u;
const startsSentence = (text: string) => STARTS.test(text);

/** Whether a line is the beginning of an attribution that goes on below. */
function runsOn(lines: Lines, at: number, last: number): boolean {
  const line = lines.views[at];
  return !isBlank(lines.raw[at]) && isQuoted(lines.raw[at]) === isQuoted(lines.raw[last]) &&
    line.length >= 30 &&
    !/[.!?。！？]$/.test(line) && (startsSentence(line) || YEAR.test(line));
}

/** Whether the next line that is not blank is quoted by `>`. */
function quoteFollows(lines: Lines, at: number): boolean {
  for (let next = at; next < lines.raw.length && next < at + 4; next++) {
    if (!isBlank(lines.raw[next])) return isQuoted(lines.raw[next]);
  }
  return false;
}

/**
 * What a person wrote: the text without quotes, the headers above them, signature and device line. Answers between quoted
 * lines keep the quotes that they answer.
 *
 * @returns The answer, and whether anything was found that ends or interrupts it.
 */
export function withoutQuotes(text: string): { text: string; found: boolean } {
  const raw = text.split("\n");
  let lines: Lines = { raw, views: raw.map(view) };
  let end = headerAt(lines) ?? raw.length;
  // A rule above the header belongs to it.
  while (end < raw.length && end > 0 && /^[_\-=*\s]{5,}$/.test(lines.views[end - 1])) end--;
  const cut = (to: number) => {
    end = Math.min(end, to);
    lines = { raw: lines.raw.slice(0, end), views: lines.views.slice(0, end) };
  };
  cut(end);
  const dropped = new Set<number>();
  for (const { start, end: after, sure } of attributions(lines)) {
    if (isQuoted(lines.raw[start])) continue;
    if (quoteFollows(lines, after)) { for (let at = start; at < after; at++) dropped.add(at); }
    else if (sure === "certain" && lines.raw.slice(0, start).some((line) => !isBlank(line))) {
      // As the first line with unquoted text below, it may be a person's own.
      cut(start);
      break;
    }
  }
  const kept = answer(lines, dropped);
  const found = end < raw.length || dropped.size > 0 || lines.raw.some(isQuoted);
  const result = unsigned(kept);
  return { text: tidy(result.lines), found: found || result.found };
}

/** Leaves out quotes, except those between a person's own lines. */
function answer(lines: Lines, dropped: ReadonlySet<number>): string[] {
  const own = (at: number) => !dropped.has(at) && !isBlank(lines.raw[at]) && !isQuoted(lines.raw[at]);
  const blocks: { start: number; end: number }[] = [];
  let inside = false;
  for (let at = 0; at < lines.raw.length; at++) {
    if (isQuoted(lines.raw[at])) {
      if (inside) blocks[blocks.length - 1].end = at + 1;
      else blocks.push({ start: at, end: at + 1 });
      inside = true;
    } else if (own(at)) inside = false;
  }
  let last = lines.raw.length - 1;
  while (last >= 0 && !own(last)) last--;
  const between = blocks.filter(({ start }) => start < last);
  // One quote and an answer below it is bottom posting; several with text between them answer line by line.
  const inline = between.length > 1;
  const result: string[] = [];
  for (let at = 0; at <= last; at++) {
    if (dropped.has(at) || (isQuoted(lines.raw[at]) && !inline)) continue;
    result.push(lines.raw[at]);
  }
  return result;
}

/** Leaves out a signature below `-- ` (RFC 3676 4.3), and what a device wrote at the end. */
function unsigned(lines: readonly string[]): { lines: string[]; found: boolean } {
  let end = lines.length;
  for (let at = lines.length - 1; at >= 0 && lines.length - at <= MOST_SIGNATURE + 10; at--) {
    const line = lines[at];
    const exact = line === "-- " || line === "--\u00a0";
    const bare = line.trimEnd() === "--" && lines.length - at <= MOST_SIGNATURE;
    if (exact || bare) end = at;
  }
  const found = end < lines.length;
  let rest = lines.slice(0, end);
  const ending = () => {
    let last = rest.length - 1;
    while (last >= 0 && isBlank(rest[last])) last--;
    return last;
  };
  // Two at most: a device line, and above it the rule that some programs draw.
  let device = false;
  for (let times = 0; times < 3; times++) {
    const last = ending();
    if (last < 0) break;
    const line = view(rest[last]);
    if (!isDevice(line) && !(times > 0 && device && /^[_\-=*]{2,}$/.test(line))) break;
    device = true;
    rest = rest.slice(0, last);
  }
  return { lines: rest, found: found || device };
}

/** Trailing blanks of lines off, runs of blank lines to one, none at the ends. */
function tidy(lines: readonly string[]): string {
  const result: string[] = [];
  for (const line of lines) {
    const text = line.trimEnd();
    if (text === "" && (result.length === 0 || result.at(-1) === "")) continue;
    result.push(text);
  }
  while (result.at(-1) === "") result.pop();
  if (result.length > 0) result[0] = result[0].trimStart();
  return result.join("\n");
}
