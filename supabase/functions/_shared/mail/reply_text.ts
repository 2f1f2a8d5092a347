/**
 * What a person wrote in an answer, without the mail that is answered. First by the marks of the HTML, then by lines of the
 * text, last by email-reply-parser, which knows more turns of phrase and is slow on the wrong text.
 *
 * Failure policy: open. The whole text is always kept beside; when in doubt, or when something throws, it is the answer.
 *
 * @module
 */
import { firstOf } from "./charset.ts";
import { textOf } from "./html.ts";
import { withoutHtmlQuotes } from "./html_quotes.ts";
import { withoutQuotes } from "./quotes.ts";

/** Characters of the whole text that are kept. */
export const MOST_FULL = 200_000;
/** Characters in which an answer is looked for. */
const MOST_TEXT = 50_000;
/** Of one line, for the library: several of its patterns take the square of a line's length, or more. */
const MOST_LINE = 500;
/** Of all, for the library: the worst of 10,000 characters took half a second. */
const MOST_FOR_LIBRARY = 4_000;

/** Runs of more than one blank line to one: some patterns take the square of such a run, and 120,000 have been seen. */
function collapsed(text: string): string {
  const lines: string[] = [];
  for (const line of text.split("\n")) {
    const blank = line.trim() === "";
    if (blank && (lines.length === 0 || lines.at(-1) === "")) continue;
    lines.push(blank ? "" : line);
  }
  while (lines.at(-1) === "") lines.pop();
  return lines.join("\n");
}

/**
 * The answer and the whole text.
 *
 * @param mail Its text and HTML parts, decoded.
 */
export async function cutReply(
  mail: { readonly text: string | null; readonly html: string | null },
): Promise<{ text: string; text_full: string }> {
  const plain = mail.text === null || mail.text.trim() === ""
    ? null
    : collapsed(firstOf(mail.text, MOST_FULL));
  const html = mail.html === null || mail.html.trim() === "" ? null : mail.html;
  const full = plain ?? (html === null ? "" : collapsed(firstOf(await textOf(html), MOST_FULL)));
  const marked = html === null ? undefined : await withoutHtmlQuotes(html).catch(() => undefined);
  // An answer that is nothing but a quote has marks, and no text of its own.
  const source = marked === undefined ? full : collapsed(await textOf(marked));
  const bounded = firstOf(source, MOST_TEXT);
  const { text, found } = withoutQuotes(withoutArmour(bounded));
  // Programs draw a line above what was cut off.
  if (marked !== undefined) return { text: withoutRule(text), text_full: full };
  if (found) return { text, text_full: full };
  return { text: await byLibrary(text), text_full: full };
}

const RULE = /^[-_=*\u2014]{3,80}$/;

/** Without a line of nothing but dashes at its end. */
function withoutRule(text: string): string {
  const lines = text.split("\n");
  while (lines.length > 0 && (lines.at(-1)!.trim() === "" || RULE.test(lines.at(-1)!.trim()))) lines.pop();
  return lines.join("\n");
}

const ARMOUR = { begin: "-----BEGIN PGP SIGNED MESSAGE-----", end: "-----BEGIN PGP SIGNATURE-----" };

/** The text of a clear-signed message (RFC 9580 7), whose dashes at the beginning of a line are escaped. */
function withoutArmour(text: string): string {
  if (!text.startsWith(ARMOUR.begin)) return text;
  const lines = text.split("\n");
  const begins = lines.findIndex((line) => line.trim() === "");
  const ends = lines.findIndex((line) => line.trim() === ARMOUR.end);
  if (begins < 0 || ends < begins) return text;
  return lines.slice(begins + 1, ends).map((line) => line.startsWith("- ") ? line.slice(2) : line).join("\n");
}

/** What a line before a quote holds, and a person's sentence rarely: an address, or a date with a time. */
const SOURCE =
  /[^\s<>@]{1,100}@[^\s<>@]{1,100}|\d{1,2}[:.h]\d{2}[^\n]{0,100}\d{4}|\d{4}[^\n]{0,100}\d{1,2}[:.h]\d{2}/;

/**
 * What email-reply-parser leaves, if it finds a quote at the end. It takes "From: Berlin [station]" and "he wrote:" for the
 * beginning of one too, so that has to name its source. Its idea of signatures is left aside: it cuts "Cheers".
 */
async function byLibrary(text: string): Promise<string> {
  if (text.length > MOST_FOR_LIBRARY || !text.includes("\n")) return text;
  if (text.split("\n").some((line) => line.length > MOST_LINE)) return text;
  try {
    const { default: Parser } = await import("email-reply-parser");
    const fragments = new Parser().read(text).getFragments();
    const first = fragments.findIndex((fragment) => fragment.isQuoted());
    if (
      first < 1 || fragments.slice(first).some((fragment) => !fragment.isQuoted() && !fragment.isHidden())
    ) return text;
    if (!SOURCE.test(fragments[first].getContent().trim().split("\n\n", 1)[0].slice(0, 500))) return text;
    const kept = fragments.slice(0, first).map((fragment) => fragment.getContent()).join("\n").trim();
    return kept === "" ? text : kept;
  } catch {
    return text;
  }
}
