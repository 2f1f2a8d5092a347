/**
 * Makes the links of an HTML mail lead through us, and adds the pixel: by offsets, so that every other byte stays, such as
 * Outlook's comments, VML, templates and broken markup, which no parser would give back as it was.
 *
 * Sources of the rules: WHATWG HTML (attributes, entities, conditional comments are comments), github.com/knadh/listmonk/issues/844
 * and github.com/postalserver/postal/issues/1040 (`&amp;` is decoded before an address is kept), RFC 8058 and
 * github.com/mailpoet/mailpoet/issues/5850 (a link that ends a subscription never leads through a tracker).
 *
 * @module
 */
import { firstOf } from "../charset.ts";

/** Longest HTML that is tracked; a longer one is sent as it is. */
const MOST_HTML = 2_000_000;
/** Most different links of a mail; the others stay as they are. */
export const MOST_LINKS = 1000;
/** Longest address that is kept; browsers and proxies cut longer ones. */
const MOST_URL = 4096;
/** Gmail shows the first 102 KB of a mail; a pixel behind that is not loaded. */
const GMAIL_BYTES = 100_000;

/** Where something stands in the HTML. */
interface Place {
  readonly start: number;
  readonly end: number;
}

/** A link that is to be tracked. */
interface FoundLink extends Place {
  /** Its address, with entities decoded. */
  readonly url: string;
}

interface Found {
  readonly links: readonly FoundLink[];
  /** After `<body …>`, and before the last `</body>` or `</html>`; undefined if there is none. */
  readonly bodyStart?: number;
  readonly bodyEnd?: number;
}

/** Elements whose `href` a person follows; Outlook draws buttons with VML. */
const FOLLOWED = /^(?:a|area|v:[a-z]{1,20})$/;
/** Names of what ends a subscription, in the path or the query of an address. */
const ENDS_SUBSCRIPTION =
  /unsub|opt[-_]?out|list[-_]?manage|abmeld|abbestell|austragen|d[eé]sinscri|d[eé]sabonn|darse[-_]?de[-_]?baja|cancelar[-_]?suscri|disiscri|descadastr|uitschrijv|afmeld|avprenumer|wypisz|manage[-_]?preferences|email[-_]?preferences/i;
/** Placeholders that something else fills in later. */
const TEMPLATE = /\{\{|\}\}|\{%|<%|\*\||\[\[|%%/;
/** A mail that is signed as a whole: PGP's armour. */
const ARMOUR = "-----BEGIN PGP ";
const SIGNATURES = new Set([
  "application/pgp-signature",
  "application/pkcs7-signature",
  "application/x-pkcs7-signature",
  "application/pkcs7-mime",
  "application/x-pkcs7-mime",
]);

/** Whether a mail is signed or encrypted by its author; each change would break that. */
export function isSigned(mail: { html?: string; text?: string; types: readonly string[] }): boolean {
  return mail.types.some((type) => SIGNATURES.has(type.toLowerCase())) ||
    [mail.html, mail.text].some((part) => part?.includes(ARMOUR));
}

/** How a mail is tracked. */
export interface TrackedAddresses {
  /** Addresses of the links, in the order of {@linkcode linksOf}; others of the mail stay. */
  readonly links: readonly string[];
  /** The address that stands for the nth of them, from 1. */
  urlOf(n: number): string;
  /** Of the pixel. */
  readonly pixel?: string;
  /** Of a link that people do not see: who follows it is a machine. */
  readonly trap?: string;
}

/**
 * The different links of a mail that can be tracked, in their order.
 *
 * @param own Where addresses of ours begin; they stay as they are.
 */
export async function linksOf(html: string, own: readonly string[] = []): Promise<string[]> {
  const { links } = await findIn(html, own);
  return [...new Set(links.map(({ url }) => url))].slice(0, MOST_LINKS);
}

/** The HTML with tracked links, pixel and trap. Nothing else changes. */
export async function trackHtml(
  html: string,
  tracked: TrackedAddresses,
  own: readonly string[] = [],
): Promise<string> {
  if (html.length > MOST_HTML) return html;
  const { links, bodyStart, bodyEnd } = await findIn(html, own);
  const numbers = new Map(tracked.links.map((url, i) => [url, i + 1]));
  const changes = links.flatMap(({ start, end, url }) => {
    const n = numbers.get(url);
    return n === undefined ? [] : [{ start, end, by: attribute(tracked.urlOf(n)) }];
  });
  const added = marksOf(tracked);
  if (added !== "") {
    // As it is sent: a link grows, and a character may be several bytes.
    const bytes = changes.reduce(
      (sum, { start, end, by }) => sum + bytesOf(by) - bytesOf(html.slice(start, end)),
      bytesOf(html) + bytesOf(added),
    );
    const at = (bytes > GMAIL_BYTES ? bodyStart : undefined) ?? bodyEnd ?? html.length;
    changes.push({ start: at, end: at, by: added });
  }
  changes.sort((a, b) => a.start - b.start);
  const pieces: string[] = [];
  let at = 0;
  for (const { start, end, by } of changes) {
    pieces.push(html.slice(at, start), by);
    at = end;
  }
  pieces.push(html.slice(at));
  return pieces.join("");
}

const bytesOf = (text: string) => new TextEncoder().encode(text).length;

/** The pixel is not hidden by CSS: some programs remove what is. */
function marksOf({ pixel, trap }: TrackedAddresses): string {
  const image = pixel === undefined ? "" : `<img src="${attribute(pixel)}" width="1" height="1" alt="">`;
  const link = trap === undefined
    ? ""
    : `<a href="${attribute(trap)}" style="display:none" tabindex="-1" aria-hidden="true"></a>`;
  return link + image;
}

/** Safe in an attribute with quotes of either kind, and without any. */
function attribute(url: string): string {
  return url.replaceAll("&", "&amp;").replaceAll('"', "%22").replaceAll("'", "%27").replaceAll("<", "%3C")
    .replaceAll(">", "%3E").replaceAll(" ", "%20").replaceAll("`", "%60");
}

async function findIn(html: string, own: readonly string[]): Promise<Found> {
  if (html.length > MOST_HTML) return { links: [] };
  const { Tokenizer } = await import("htmlparser2");
  const links: FoundLink[] = [];
  let bodyStart: number | undefined, bodyEnd: number | undefined, htmlEnd: number | undefined;

  /** Reads a part of the HTML; a comment's content is read once more, for Outlook takes some comments for HTML. */
  function read(text: string, offset: number, inComment: boolean): void {
    let tag = "", name = "", value = "", from = -1;
    let href: FoundLink | undefined, hasHref = false, spared = false;
    const tagEnds = (end: number) => {
      if (href !== undefined && !spared && FOLLOWED.test(tag) && isTracked(href.url, own)) links.push(href);
      if (tag === "body" && !inComment) bodyStart ??= offset + end + 1;
    };
    const tokenizer = new Tokenizer({ decodeEntities: true }, {
      onopentagname(start, end) {
        tag = text.slice(start, end).toLowerCase();
        href = undefined;
        hasHref = spared = false;
      },
      onattribname(start, end) {
        name = text.slice(start, end).toLowerCase();
        value = "";
        from = -1;
        if (name === "data-gl-notrack") spared = true;
      },
      onattribdata(start, end) {
        if (value === "") from = start;
        // Whole attributes of megabytes are no addresses.
        if (value.length <= MOST_URL) value += text.slice(start, Math.min(end, start + MOST_URL + 1));
      },
      onattribentity(codepoint) {
        if (value.length <= MOST_URL) value += String.fromCodePoint(codepoint);
      },
      onattribend(quote, end) {
        // Of two attributes of a name, browsers take the first.
        if (name !== "href" || hasHref) return;
        hasHref = true;
        const place = placeOf(text, end, quote, from);
        if (place !== undefined) href = { start: offset + place.start, end: offset + place.end, url: value };
      },
      onopentagend: tagEnds,
      onselfclosingtag: tagEnds,
      onclosetag(start, end) {
        if (inComment) return;
        const closed = text.slice(start, end).toLowerCase();
        if (closed === "body") bodyEnd = start - 2;
        else if (closed === "html") htmlEnd = start - 2;
      },
      oncomment(start, end, endOffset) {
        const content = text.slice(start, end - endOffset);
        if (!inComment && /^\[if[^\]]{0,100}\]>/i.test(content)) read(content, offset + start, true);
      },
      oncdata() {},
      ondeclaration() {},
      onend() {},
      onprocessinginstruction() {},
      ontext() {},
      ontextentity() {},
    });
    tokenizer.write(text);
    tokenizer.end();
  }

  read(html, 0, false);
  links.sort((a, b) => a.start - b.start);
  return { links, bodyStart, bodyEnd: bodyEnd ?? htmlEnd };
}

/**
 * Where the value of an attribute stands, without its quotes.
 * @param end As the tokenizer states it: behind the closing quote, if there is one.
 * @param from Where the value's first text stands; -1 if it begins with an entity.
 */
function placeOf(text: string, end: number, quote: number, from: number): Place | undefined {
  // QuoteType of htmlparser2: 0 no value, 1 unquoted, 2 single, 3 double.
  if (quote >= 2) return { start: text.lastIndexOf(quote === 2 ? "'" : '"', end - 2) + 1, end: end - 1 };
  return quote === 1 && from >= 0 ? { start: from, end } : undefined;
}

/** Whether an address is one that a person follows on the web, and not one of those that stay. */
function isTracked(url: string, own: readonly string[]): boolean {
  // Browsers leave out white space around an address, and tabs and line breaks in it; what has some stays as it is.
  if (!/^https?:\/\/[^\s]+$/i.test(url) || url.length > MOST_URL) return false;
  if (TEMPLATE.test(url) || own.some((begin) => begin !== "" && url.startsWith(begin))) return false;
  const path = url.indexOf("/", url.indexOf("//") + 2);
  return path < 0 || !ENDS_SUBSCRIPTION.test(firstOf(url.slice(path), MOST_URL));
}
