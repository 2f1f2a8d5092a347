/**
 * The languages that a visitor prefers.
 *
 * @module
 */

/**
 * The language ranges of an Accept-Language header (RFC 9110 section 12.5.4), in lower case, by descending quality
 * value; equals in the given order. Without `*` and ranges refused by `q=0`.
 */
export function preferredLanguages(header: string | null): string[] {
  const ranges: [tag: string, quality: number][] = [];
  for (const part of (header ?? "").slice(0, 500).split(",")) {
    const [, tag, quality = "1"] = PART.exec(part) ?? [];
    const q = Number(quality);
    if (tag !== undefined && q > 0 && q <= 1) ranges.push([tag.toLowerCase().replaceAll("_", "-"), q]);
  }
  return ranges.sort(([, a], [, b]) => b - a).map(([tag]) => tag);
}

/** The most preferred language; undefined if there is none. */
export function preferredLanguage(header: string | null): string | undefined {
  return preferredLanguages(header)[0];
}

/** A range with its weight. Apps also write `de_DE`, `q=.5` and more digits than the standard allows. */
const PART = /^\s*([a-z]{1,8}(?:[-_][a-z0-9]{1,8})*)\s*(?:;\s*q\s*=\s*(\d(?:\.\d{0,20})?|\.\d{0,20})\s*)?$/i;

/** The language of a tag, without script and region, in its current short form: `ger-AT` is `de`. */
export function languageOf(tag: string): string {
  return partsOf(tag)[0];
}

/**
 * Whether a language range matches a language tag (extended filtering, RFC 4647 section 3.3.2): `pt` matches pt and
 * pt-BR, not ptx; `zh-TW` matches zh-Hant-TW. Old and long forms equal the current short one (`iw` and `heb` are `he`),
 * and a tag without a script has the usual one of its language and region (`zh-TW` is written in Hant).
 */
export function rangeTakes(range: string, tag: string): boolean {
  if (tag === range) return true;
  const [language, script, ...wanted] = partsOf(range);
  const [spoken, written, ...rest] = partsOf(tag);
  if (language !== spoken || (hasScript(range) && script !== written)) return false;
  let at = 0;
  for (const part of wanted) {
    at = rest.indexOf(part, at) + 1;
    if (at === 0) return false;
  }
  return true;
}

/** Whether a tag names a script: four letters after the language. */
function hasScript(tag: string): boolean {
  return /^[a-z]{2,3}-[a-z]{4}(?:-|$)/.test(tag);
}

const known = new Map<string, readonly string[]>();
const MAX_KNOWN = 500;

/** The language, the script and the other subtags of a tag, canonical and in lower case. */
function partsOf(tag: string): readonly string[] {
  let parts = known.get(tag);
  if (parts === undefined) {
    parts = split(tag);
    if (known.size >= MAX_KNOWN) known.clear();
    known.set(tag, parts);
  }
  return parts;
}

function split(tag: string): readonly string[] {
  try {
    const locale = new Intl.Locale(tag);
    const { language, script = "" } = locale.maximize();
    const rest = locale.toString().split("-").slice(locale.script === undefined ? 1 : 2);
    // Norwegian browsers say "nb", and people mean it by "no".
    return [language === "nb" ? "no" : language, script, ...rest].map((part) => part.toLowerCase());
  } catch {
    // A tag that was registered whole, such as zh-min-nan.
    const [language, ...rest] = tag.toLowerCase().split("-");
    return [language, "", ...rest];
  }
}
