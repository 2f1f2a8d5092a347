/**
 * Quotes in the HTML of a mail, by the marks that mail programs leave. They are surer than any pattern over text, where they
 * exist.
 *
 * @module
 */
import { firstOf } from "./charset.ts";
import { flattened } from "./html.ts";

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

/**
 * The HTML without its quotes and signatures; undefined if no mark was found, or if something was written below or between
 * quotes, which only the text tells.
 */
export async function withoutHtmlQuotes(html: string): Promise<string | undefined> {
  const { Parser } = await import("htmlparser2");
  const source = flattened(firstOf(html, MOST_HTML));
  const cuts: { start: number; end: number }[] = [];
  let [depth, silent] = [0, 0];
  /** The element that is being left out. */
  let cut: { depth: number; start: number; quote: boolean } | undefined;
  /** Gmail's container, in which only quotes count unless it has none. */
  let container: { depth: number; start: number; own: boolean; quotes: boolean } | undefined;
  let rest: number | undefined;
  let [quoted, interleaved] = [false, false];
  const close = (end: number) => {
    if (cut === undefined) return;
    cuts.push({ start: cut.start, end });
    quoted ||= cut.quote;
    cut = undefined;
  };
  const parser: InstanceType<typeof Parser> = new Parser({
    onopentag: (name, attributes) => {
      depth++;
      if (SILENT.has(name)) silent++;
      if (cut !== undefined || rest !== undefined) return;
      const element: Element = {
        name,
        id: attributes.id ?? "",
        classes: (attributes.class ?? "").split(/\s+/, 20),
        style: (attributes.style ?? "").slice(0, 300).toLowerCase(),
        type: attributes.type ?? attributes.name ?? "",
      };
      const start = parser.startIndex;
      if (beginsRest(element)) rest = start;
      else if (isContainer(element)) container ??= { depth, start, own: false, quotes: false };
      else if (isQuote(element)) {
        if (name === "blockquote" && container !== undefined) container.quotes = true;
        cut = { depth, start, quote: true };
      } else if (isSignature(element)) cut = { depth, start, quote: false };
    },
    ontext: (text) => {
      if (rest !== undefined || cut !== undefined || silent > 0 || text.trim() === "") return;
      if (container !== undefined) container.own = true;
      else if (quoted) interleaved = true;
    },
    onclosetag: (name) => {
      if (SILENT.has(name)) silent--;
      const end = parser.endIndex + 1;
      if (cut?.depth === depth) close(end);
      if (container?.depth === depth) {
        // A forward has its text in the container; an answer between quotes has both there.
        if (!container.quotes) cuts.push({ start: container.start, end });
        else if (container.own) interleaved = true;
        quoted = true;
        container = undefined;
      }
      depth--;
    },
  }, { lowerCaseAttributeNames: true });
  parser.end(source);
  if (rest !== undefined) cuts.push({ start: rest, end: source.length });
  if (interleaved || !(quoted || rest !== undefined)) return undefined;
  const pieces: string[] = [];
  let at = 0;
  for (const { start, end } of cuts.sort((a, b) => a.start - b.start)) {
    if (start > at) pieces.push(source.slice(at, start));
    at = Math.max(at, end);
  }
  return pieces.join("") + source.slice(at);
}
