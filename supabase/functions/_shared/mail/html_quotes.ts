/**
 * Quotes in the HTML of a mail, by the marks that mail programs leave. They are surer than any pattern over text, where they
 * exist.
 *
 * @module
 */
import { firstOf } from "./charset.ts";
import { flattened } from "./html.ts";
import { type Walker, walkPlain } from "./plain_html.ts";

/** Characters that are searched: whoever writes more by hand writes it above the quote. */
const MOST_HTML = 500_000;

interface Element {
  readonly name: string;
  readonly id: string;
  readonly classes: readonly string[];
  readonly style: string;
  readonly type: string;
}

const hasClass = ({ classes }: Element, ...names: string[]) => classes.some((name) => names.includes(name));

/** An element that holds a quote: Gmail, Apple Mail, Thunderbird, Yahoo, Proton, Tuta, Zoho, GMX, Mail.ru, Outlook for phones. */
function isQuote(element: Element): boolean {
  const { name, id, classes, type } = element;
  if (
    name === "blockquote" &&
    (type === "cite" || hasClass(element, "gmail_quote", "protonmail_quote", "tutanota_quote"))
  ) {
    return true;
  }
  if (
    hasClass(element, "gmail_attr", "moz-cite-prefix", "protonmail_quote", "tutanota_quote", "zmail_extra")
  ) return true;
  if (hasClass(element, "ms-outlook-mobile-reference-message", "mail_quote", "mailru-blockquote")) {
    return true;
  }
  if (classes.some((name) => /yahoo_quoted(?:_\d+)?$/.test(name))) return true;
  return id === "mail-editor-reference-message-container" || id === "OLK_SRC_BODY_SECTION" ||
    (name === "div" && (type === "quote" || type === "messageReplySection"));
}

/** An element from which on everything is quoted: Outlook, Zimbra. */
function beginsRest({ name, id, style }: Element): boolean {
  if (
    id === "zwchr" || id === "divRplyFwdMsg" || id === "x_divRplyFwdMsg" || id === "appendonsend" ||
    id === "stopSpelling"
  ) {
    return true;
  }
  // The rule above the header block of Outlook for Windows and for Mac.
  return name === "div" &&
    /border:none;border-top:solid#(?:e1e1e1|b5c4df)1\.0pt/.test(style.replace(/\s/g, ""));
}

/** A container of Gmail's: of a quote with its attribution and answers between, or of a forwarded mail. */
const isContainer = (element: Element) =>
  element.name === "div" && hasClass(element, "gmail_quote", "gmail_quote_container");

/** Signatures that a program marks. */
function isSignature(element: Element): boolean {
  const { id } = element;
  return hasClass(
    element,
    "gmail_signature",
    "gmail_signature_prefix",
    "moz-signature",
    "protonmail_signature_block",
  ) ||
    id === "ms-outlook-mobile-signature" || id === "composer_signature" || id === "AppleMailSignature" ||
    element.type === "messageSignatureSection";
}

/** What is left out of the text anyway. */
const SILENT = new Set(["script", "style", "head", "title", "template", "noscript"]);

/** What is found on a walk through a document: what to leave out of it. */
class Quotes implements Walker {
  readonly wanted = new Set(["id", "class", "style", "type", "name"]);
  readonly #cuts: { start: number; end: number }[] = [];
  #depth = 0;
  /** Open elements of {@linkcode SILENT}. */
  #silent = 0;
  /** The element that is being left out. */
  #cut: { depth: number; start: number; quote: boolean } | undefined;
  /** Gmail's container, in which only quotes count unless it has none. */
  #container: { depth: number; start: number; own: boolean; quotes: boolean } | undefined;
  #rest: number | undefined;
  #quoted = false;
  #interleaved = false;

  get listens(): boolean {
    return this.#cut === undefined && this.#rest === undefined;
  }

  open(name: string, attributes: Readonly<Record<string, string>>, start: number): void {
    this.#depth++;
    if (SILENT.has(name)) this.#silent++;
    if (!this.listens) return;
    const element: Element = {
      name,
      id: attributes.id ?? "",
      classes: (attributes.class ?? "").split(/\s+/, 20),
      style: (attributes.style ?? "").slice(0, 300).toLowerCase(),
      type: attributes.type ?? attributes.name ?? "",
    };
    const depth = this.#depth;
    if (beginsRest(element)) this.#rest = start;
    else if (isContainer(element)) this.#container ??= { depth, start, own: false, quotes: false };
    else if (isQuote(element)) {
      if (name === "blockquote" && this.#container !== undefined) this.#container.quotes = true;
      this.#cut = { depth, start, quote: true };
    } else if (isSignature(element)) this.#cut = { depth, start, quote: false };
  }

  text(): void {
    if (!this.listens || this.#silent > 0) return;
    if (this.#container !== undefined) this.#container.own = true;
    else if (this.#quoted) this.#interleaved = true;
  }

  close(name: string, end: number): void {
    if (SILENT.has(name)) this.#silent--;
    const cut = this.#cut, container = this.#container;
    if (cut?.depth === this.#depth) {
      this.#cuts.push({ start: cut.start, end });
      this.#quoted ||= cut.quote;
      this.#cut = undefined;
    }
    if (container?.depth === this.#depth) {
      // A forward has its text in the container; an answer between quotes has both there.
      if (!container.quotes) this.#cuts.push({ start: container.start, end });
      else if (container.own) this.#interleaved = true;
      this.#quoted = true;
      this.#container = undefined;
    }
    this.#depth--;
  }

  /** The document without what was found; undefined as {@linkcode withoutHtmlQuotes} says. */
  without(source: string): string | undefined {
    if (this.#interleaved || !(this.#quoted || this.#rest !== undefined)) return undefined;
    const cuts = [...this.#cuts];
    if (this.#rest !== undefined) cuts.push({ start: this.#rest, end: source.length });
    const pieces: string[] = [];
    let at = 0;
    for (const { start, end } of cuts.sort((a, b) => a.start - b.start)) {
      if (start > at) pieces.push(source.slice(at, start));
      at = Math.max(at, end);
    }
    return pieces.join("") + source.slice(at);
  }
}

/**
 * The HTML without its quotes and signatures; undefined if no mark was found, or if something was written below or between
 * quotes, which only the text tells.
 */
export async function withoutHtmlQuotes(html: string): Promise<string | undefined> {
  const source = firstOf(html, MOST_HTML);
  const quotes = new Quotes();
  return walkPlain(source, quotes) ? quotes.without(source) : await withoutByParser(source);
}

/** The same for any HTML, however it is written. */
export async function withoutByParser(html: string): Promise<string | undefined> {
  const { Parser } = await import("htmlparser2");
  const source = flattened(html);
  const quotes = new Quotes();
  const parser: InstanceType<typeof Parser> = new Parser({
    onopentag: (name, attributes) => quotes.open(name, attributes, parser.startIndex),
    ontext: (text) => {
      if (text.trim() !== "") quotes.text();
    },
    onclosetag: (name) => quotes.close(name, parser.endIndex + 1),
  }, { lowerCaseAttributeNames: true });
  parser.end(source);
  return quotes.without(source);
}
