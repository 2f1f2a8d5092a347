/**
 * A quick walk through HTML in which each element ends where it should, as mail programs write it. What htmlparser2 does
 * besides (elements that end others, scripts, comments, entities) takes it several times as long, which counts where
 * thousands of rows are quoted. Whatever is not as plain as that is left to it.
 *
 * @module
 */

/** What is told on the way. */
export interface Walker {
  /** Attributes that matter, by lower-case name. */
  readonly wanted: ReadonlySet<string>;
  /** Whether attributes and text matter where the walk is now. */
  readonly listens: boolean;
  /**
   * An element begins.
   * @param attributes Those that are wanted, by lower-case name, the first of each; none while the walker does not listen.
   * @param start Where its tag begins.
   */
  open(name: string, attributes: Readonly<Record<string, string>>, start: number): void;
  /** Text that is not blank. Called while the walker listens, once for each piece between two tags. */
  text(): void;
  /** An element ends. @param end Where the tag that ends it does; for one without an end, its own. */
  close(name: string, end: number): void;
}

/** Elements without an end. */
const VOID = new Set(["br", "hr", "img", "wbr"]);
/** Elements that may stand in a paragraph, which all others end. */
const INLINE = new Set([
  ...["a", "abbr", "b", "big", "br", "cite", "code", "del", "em", "font", "i", "img", "ins", "s"],
  ...["small", "span", "strike", "strong", "sub", "sup", "tt", "u", "wbr"],
]);
const HEADINGS = ["h1", "h2", "h3", "h4", "h5", "h6"];
const BLOCKS = new Set(["blockquote", "center", "div", "hr", "ol", "p", "pre", "table", "ul", ...HEADINGS]);
const SECTIONS = ["tbody", "tfoot", "thead"];
/** Elements that end others unless they stand in one of these. */
const PARENTS: ReadonlyMap<string, readonly string[]> = new Map<string, readonly string[]>([
  ["li", ["ol", "ul"]],
  ["td", ["tr"]],
  ["th", ["tr"]],
  ["tr", ["table", ...SECTIONS]],
  ...SECTIONS.map((name): [string, readonly string[]] => [name, ["table"]]),
]);
/** Open elements at once. */
const MOST_DEPTH = 200;
const [TAB, LF, FF, CR, SPACE, QUOTE, APOSTROPHE] = [9, 10, 12, 13, 0x20, 0x22, 0x27];
const [SLASH, LESS, EQUALS, GREATER] = [0x2f, 0x3c, 0x3d, 0x3e];
const NOTHING: Readonly<Record<string, string>> = {};

const isLetter = (code: number) => (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a;
const isBlank = (code: number) => code === SPACE || code === LF || code === CR || code === TAB || code === FF;
/** A character of the name of an element or an attribute. */
const isOfName = (code: number) =>
  isLetter(code) || (code >= 0x30 && code <= 0x39) || code === 0x2d || code === 0x3a || code === 0x5f;

/**
 * Walks through a document. Takes time in proportion to its length.
 *
 * @returns false as soon as something is not plain; the walker is useless then.
 */
export function walkPlain(html: string, walker: Walker): boolean {
  const open: string[] = [];
  const tag = new Tag(html);
  let from = 0;
  for (let at = html.indexOf("<"); at >= 0; at = html.indexOf("<", at)) {
    const first = html.charCodeAt(at + 1);
    if (!isLetter(first) && first !== SLASH) {
      // A declaration or a comment; anything else is text.
      if (first === 0x21 || first === 0x3f || Number.isNaN(first)) return false;
      at++;
      continue;
    }
    if (at > from && walker.listens && !tellText(html.slice(from, at), walker)) return false;
    if (first === SLASH) {
      const name = open.pop();
      if (name === undefined || !endsHere(html, at + 2, name)) return false;
      at = from = at + name.length + 3;
      walker.close(name, at);
      continue;
    }
    const name = tag.name(at + 1);
    if (!mayStandIn(name, open.at(-1)) || !tag.attributes(walker.listens ? walker.wanted : undefined)) {
      return false;
    }
    walker.open(name, tag.found, at);
    at = from = tag.end;
    if (VOID.has(name)) walker.close(name, at);
    else if (open.push(name) > MOST_DEPTH) return false;
  }
  const isToldAll = from === html.length || !walker.listens || tellText(html.slice(from), walker);
  return isToldAll && open.length === 0;
}

/** Tells of text; false if it may be blank, or not, by what a character reference in it stands for. */
function tellText(text: string, walker: Walker): boolean {
  const words = text.trim();
  if (words === "") return true;
  if (words.includes("&")) {
    if (words.replace(/&(?:nbsp|#160);/g, "").trim() === "") return true;
    if (words.replace(/&#?\w{0,40};?/g, "").trim() === "") return false;
  }
  walker.text();
  return true;
}

function endsHere(html: string, at: number, name: string): boolean {
  return html.charCodeAt(at + name.length) === GREATER &&
    (html.startsWith(name, at) || html.slice(at, at + name.length).toLowerCase() === name);
}

/** Whether an element is a plain one, and ends none of those around it. */
function mayStandIn(name: string, parent: string | undefined): boolean {
  if (INLINE.has(name)) return name !== "a" || parent !== "a";
  const parents = PARENTS.get(name);
  if (parents !== undefined) return parent !== undefined && parents.includes(parent);
  if (!BLOCKS.has(name) || parent === "p") return false;
  return parent === undefined || !HEADINGS.includes(name) || !HEADINGS.includes(parent);
}

/** The beginning of an element, read from left to right. */
class Tag {
  /** Where the reading is, and behind the tag in the end. */
  end = 0;
  found: Readonly<Record<string, string>> = NOTHING;
  constructor(readonly html: string) {}

  name(at: number): string {
    this.end = at;
    while (isOfName(this.html.charCodeAt(this.end))) this.end++;
    return this.html.slice(at, this.end).toLowerCase();
  }

  /** Reads to the end of the tag; false if it is not plain. */
  attributes(wanted: ReadonlySet<string> | undefined): boolean {
    const { html } = this;
    let found: Record<string, string> | undefined;
    let isApart = false;
    for (;;) {
      const code = html.charCodeAt(this.end);
      if (code === GREATER) break;
      if (isBlank(code) || code === SLASH) {
        isApart = true;
        this.end++;
        continue;
      }
      const start = this.end;
      while (isOfName(html.charCodeAt(this.end))) this.end++;
      if (!isApart || this.end === start) return false;
      isApart = false;
      const nameEnd = this.end;
      const value = html.charCodeAt(nameEnd) === EQUALS ? this.#value(nameEnd + 1) : "";
      if (value === undefined) return false;
      if (wanted === undefined) continue;
      const name = html.slice(start, nameEnd).toLowerCase();
      if (!wanted.has(name)) continue;
      if (value.includes("&")) return false;
      found ??= {};
      if (!Object.hasOwn(found, name)) found[name] = value;
    }
    this.end++;
    this.found = found ?? NOTHING;
    return true;
  }

  #value(start: number): string | undefined {
    const { html } = this;
    const quote = html.charCodeAt(start);
    if (quote === QUOTE || quote === APOSTROPHE) {
      const end = html.indexOf(quote === QUOTE ? '"' : "'", start + 1);
      if (end < 0) return undefined;
      this.end = end + 1;
      return html.slice(start + 1, end);
    }
    this.end = start;
    for (;; this.end++) {
      const code = html.charCodeAt(this.end);
      if (isBlank(code) || code === GREATER) break;
      if (
        Number.isNaN(code) || code === QUOTE || code === APOSTROPHE || code === EQUALS || code === LESS ||
        code === 0x60
      ) return undefined;
    }
    return this.end === start ? undefined : html.slice(start, this.end);
  }
}
