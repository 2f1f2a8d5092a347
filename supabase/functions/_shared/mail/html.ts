/**
 * HTML of mails: made harmless for people's eyes, and turned into text. The libraries are large and loaded when first
 * needed, so that a function which only answers a webhook of another kind does not pay for them at its start.
 *
 * @module
 */
import { cleanText, firstOf } from "./charset.ts";

/** Characters that are read; more is no mail that a person wrote or reads. */
const MOST_HTML = 500_000;
/** Nested elements; html-to-text overflows the stack at some ten thousands. */
const MOST_DEPTH = 200;

/** Which images stay: none that would be loaded from elsewhere, until a person asks for them. They are trackers. */
export type Images = "none" | "inline" | "all";

/** As far as it is used here; the package has no types of its own. */
type Sanitize = (html: string, options: {
  allowedTags: readonly string[];
  allowedAttributes: Readonly<Record<string, readonly string[]>>;
  parseStyleAttributes: false;
  allowedSchemes: readonly string[];
  allowedSchemesByTag: Readonly<Record<string, readonly string[]>>;
  allowProtocolRelative: boolean;
  disallowedTagsMode: "discard";
  nestingLimit: number;
  transformTags: Readonly<
    Record<
      string,
      (tag: string, attributes: Record<string, string>) => {
        tagName: string;
        attribs: Record<string, string>;
      }
    >
  >;
  exclusiveFilter: (frame: { tag: string; attribs: Record<string, string> }) => boolean;
}) => string;
/** Likewise. */
type Convert = (html: string) => string;
type Compile = (options: {
  wordwrap: false;
  limits: { maxInputLength: number; maxDepth: number; maxChildNodes: number };
  selectors: readonly { selector: string; format?: string; options?: Readonly<Record<string, unknown>> }[];
}) => Convert;

const TAGS = [
  ...[
    "a",
    "abbr",
    "address",
    "b",
    "bdi",
    "bdo",
    "blockquote",
    "br",
    "caption",
    "center",
    "cite",
    "code",
    "col",
  ],
  ...[
    "colgroup",
    "dd",
    "del",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
  ],
  ...[
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "small",
    "span",
    "strike",
    "strong",
  ],
  ...[
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "time",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
    "wbr",
  ],
];
const ABSOLUTE = /^(?:https?|mailto|tel):/i;
const COLOUR = [/^#[0-9a-f]{3,8}$/i, /^[a-z]{3,20}$/i, /^rgba?\([\d\s.,%]{5,40}\)$/i];
const LENGTH = [/^-?\d{1,4}(?:\.\d{1,3})?(?:px|em|rem|pt|%|ch|ex|cm|mm|in)?$/i, /^auto$/i];
const LENGTHS = [/^(?:-?\d{1,4}(?:\.\d{1,3})?(?:px|em|rem|pt|%|cm|mm|in)?\s{0,2}){1,4}$/i, /^auto$/i];
/** Of style attributes: nothing that loads, covers, or moves what is around the mail. */
const STYLES: Readonly<Record<string, readonly RegExp[]>> = {
  "color": COLOUR,
  "background-color": COLOUR,
  "font-size": [...LENGTH, /^(?:x{0,2}-)?(?:small|large)(?:er)?$|^medium$/i],
  "font-weight": [/^(?:normal|bold|bolder|lighter|[1-9]00)$/i],
  "font-style": [/^(?:normal|italic|oblique)$/i],
  "font-family": [/^[\w\s,'"-]{1,200}$/],
  "text-align": [/^(?:left|right|center|justify|start|end)$/i],
  "text-decoration": [/^(?:none|underline|line-through|overline)$/i],
  "direction": [/^(?:ltr|rtl)$/i],
  "line-height": [...LENGTH, /^normal$/i],
  "white-space": [/^(?:normal|pre|pre-wrap|pre-line|nowrap)$/i],
  "vertical-align": [/^(?:top|middle|bottom|baseline)$/i],
  "margin": LENGTHS,
  "margin-left": LENGTH,
  "margin-right": LENGTH,
  "margin-top": LENGTH,
  "margin-bottom": LENGTH,
  "padding": LENGTHS,
  "padding-left": LENGTH,
  "padding-right": LENGTH,
  "padding-top": LENGTH,
  "padding-bottom": LENGTH,
  "border-left": [/^[\w\s#.,()%-]{1,60}$/],
  "width": LENGTH,
  "max-width": LENGTH,
  "list-style-type": [/^[a-z-]{1,30}$/i],
};

/** Declarations of a style attribute that are looked at, and characters. */
const MOST_DECLARATIONS = 100, MOST_STYLE = 4_000;
const IMPORTANT = "!important";

/**
 * The declarations of a style attribute that {@linkcode STYLES} allows. Cut at each semicolon, also in strings, comments
 * and parentheses, since no value that is allowed holds any.
 */
function allowedStyle(style: string): string {
  const kept: string[] = [];
  for (const declaration of style.slice(0, MOST_STYLE).split(";", MOST_DECLARATIONS)) {
    const colon = declaration.indexOf(":");
    const name = declaration.slice(0, Math.max(0, colon)).trim().toLowerCase();
    if (!Object.hasOwn(STYLES, name)) continue;
    const stated = declaration.slice(colon + 1).trim();
    const value = stated.toLowerCase().endsWith(IMPORTANT)
      ? stated.slice(0, -IMPORTANT.length).trimEnd()
      : stated;
    const closed = ['"', "'"].every((quote) => value.split(quote).length % 2 === 1);
    if (closed && STYLES[name].some((pattern) => pattern.test(value))) kept.push(`${name}:${value}`);
  }
  return kept.join(";");
}

/**
 * HTML that may be shown to people: no scripts, no style sheets, no forms, no frames, no events, no positions; links open
 * elsewhere and tell nothing of us. Show it in a sandboxed frame with a content security policy besides.
 *
 * @param images `none`: without images. `inline`: those that came with the mail, as `cid:`. `all`: also those of other
 *   servers, which learn then that the mail was read. @default {"inline"}
 */
export async function sanitiseMail(html: string, images: Images = "inline"): Promise<string> {
  return await sanitised(html, images);
}

/**
 * HTML for people's eyes, and the images of other servers in it, by one walk. Pixels that only tell that a mail was opened
 * are left out and not counted.
 *
 * @param place What stands in place of an image of another server, such as a `cid:` of ours; undefined leaves it out.
 *   Called in their order.
 * @returns Without `place`, what {@linkcode sanitiseMail} gives.
 */
export async function shownMail(
  html: string,
  place: (address: string) => string | undefined = () => undefined,
): Promise<{ html: string; remote: number }> {
  let remote = 0;
  const safe = await sanitised(html, "inline", (attributes) => {
    const { src = "", ...rest } = attributes;
    const address = src.trim();
    if (!/^https?:\/\//i.test(address)) return attributes;
    if (isPixel(attributes)) return rest;
    remote++;
    const placed = place(address);
    return placed === undefined ? rest : { ...rest, src: placed };
  });
  return { html: safe, remote };
}

/** One or two points wide and high: nobody looks at it. */
function isPixel({ width = "", height = "" }: Record<string, string>): boolean {
  const isTiny = (size: string) => /^\s*[012](?:px)?\s*$/i.test(size);
  return isTiny(width) && isTiny(height);
}

async function sanitised(
  html: string,
  images: Images,
  transformImage?: (attributes: Record<string, string>) => Record<string, string>,
): Promise<string> {
  const { default: sanitize }: { default: Sanitize } = await import("sanitize-html");
  const schemes = images === "all" ? ["cid", "https", "http", "data"] : ["cid"];
  return sanitize(flattened(firstOf(html, MOST_HTML)), {
    allowedTags: images === "none" ? TAGS.filter((tag) => tag !== "img") : TAGS,
    allowedAttributes: {
      "*": ["style", "dir", "lang", "title", "align", "valign"],
      a: ["href", "name", "target", "rel"],
      img: ["src", "alt", "width", "height"],
      font: ["color", "size", "face"],
      table: ["width", "border", "cellpadding", "cellspacing", "bgcolor"],
      tr: ["bgcolor"],
      td: ["width", "height", "colspan", "rowspan", "bgcolor"],
      th: ["width", "height", "colspan", "rowspan", "bgcolor"],
      ol: ["start", "type"],
      li: ["value"],
      time: ["datetime"],
    },
    // By ourselves, below: the library has a parser of CSS for it, which takes longer than all the rest of a mail.
    parseStyleAttributes: false,
    allowedSchemes: ["http", "https", "mailto", "tel"],
    allowedSchemesByTag: { img: schemes },
    allowProtocolRelative: false,
    disallowedTagsMode: "discard",
    nestingLimit: MOST_DEPTH,
    transformTags: {
      a: (_tag, attributes) => ({
        tagName: "a",
        attribs: {
          ...(ABSOLUTE.test(attributes.href ?? "") ? attributes : { ...attributes, href: "" }),
          target: "_blank",
          rel: "noopener noreferrer nofollow",
        },
      }),
      ...(transformImage === undefined ? {} : {
        img: (_tag: string, attributes: Record<string, string>) => ({
          tagName: "img",
          attribs: transformImage(attributes),
        }),
      }),
      "*": (tagName, { style, ...attribs }) => {
        const kept = style === undefined ? "" : allowedStyle(style);
        return { tagName, attribs: kept === "" ? attribs : { ...attribs, style: kept } };
      },
    },
    // A relative address would be one of ours, and an image without a source is a broken one.
    exclusiveFilter: ({ tag, attribs: { src = "" } }) =>
      tag === "img" && !schemes.includes(/^([a-z]{3,5}):/i.exec(src)?.[1].toLowerCase() ?? ""),
  });
}

/**
 * HTML as text: paragraphs and lists as lines, quotes with `> `, links with their address where it differs from their text.
 *
 * Failure policy: open. What the converter refuses becomes text by leaving out the tags.
 */
export async function textOf(html: string): Promise<string> {
  const convert = await converter();
  const bounded = flattened(firstOf(html, MOST_HTML));
  try {
    return cleanText(convert(bounded)).replaceAll("\u00a0", " ");
  } catch {
    return cleanText(html.slice(0, MOST_HTML).replace(/<[^<>]{0,2000}>/g, " "));
  }
}

let converted: Promise<Convert> | undefined;

/** The converter, made once: building its selectors takes longer than to convert most mails. */
function converter(): Promise<Convert> {
  return converted ??= import("html-to-text").then(({ compile }: { compile: Compile }) =>
    compile({
      wordwrap: false,
      limits: { maxInputLength: MOST_HTML, maxDepth: MOST_DEPTH, maxChildNodes: 20_000 },
      selectors: [
        { selector: "a", options: { hideLinkHrefIfSameAsText: true, ignoreHref: false, noAnchorUrl: true } },
        { selector: "img", format: "skip" },
        ...["style", "script", "title", "template"].map((selector) => ({ selector, format: "skip" })),
        ...["h1", "h2", "h3", "h4", "h5", "h6"].map((selector) => ({
          selector,
          options: { uppercase: false },
        })),
        {
          selector: "blockquote",
          options: { leadingLineBreaks: 1, trailingLineBreaks: 1, trimEmptyLines: true },
        },
        { selector: "p", options: { leadingLineBreaks: 2, trailingLineBreaks: 2 } },
        { selector: "table", format: "block" },
      ],
    })
  );
}

/** Elements that need no end: they nest nothing, or the next of their kind ends them. */
const UNNESTED = new Set([
  ...[
    "area",
    "base",
    "br",
    "col",
    "embed",
    "hr",
    "img",
    "input",
    "link",
    "meta",
    "param",
    "source",
    "track",
    "wbr",
  ],
  ...["p", "li", "td", "th", "tr", "dt", "dd", "option", "thead", "tbody", "tfoot", "colgroup"],
]);

/**
 * HTML without the tags that are nested deeper than {@linkcode MOST_DEPTH}; their text stays. Parsers hold open elements in a
 * list that they search at each tag, so that 100,000 of them take seconds.
 */
export function flattened(html: string): string {
  const pieces: string[] = [];
  let [depth, over, at] = [0, 0, 0];
  for (const { 0: tag, 1: slash, 2: name, index } of html.matchAll(/<(\/?)([a-z][a-z0-9-]{0,30})/gi)) {
    if (UNNESTED.has(name.toLowerCase())) continue;
    if (slash === "" && depth < MOST_DEPTH) depth++;
    else if (slash !== "" && over === 0) depth = Math.max(0, depth - 1);
    else {
      over += slash === "" ? 1 : -1;
      if (index < at) continue;
      const end = html.indexOf(">", index + tag.length);
      pieces.push(html.slice(at, index));
      at = end < 0 ? html.length : end + 1;
    }
  }
  return at === 0 ? html : pieces.join("") + html.slice(at);
}
