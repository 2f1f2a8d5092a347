/**
 * E-mail addresses, links and handles: as they are written, in words, in brackets, with spaces. Pure; each
 * token looks at a bounded number of neighbours.
 *
 * @module
 */
import type { Find, PoachingContext } from "./finding.ts";
import { type Hit, isWordOf } from "./lexicon.ts";
import type { Token } from "./tokens.ts";

const set = (words: string): ReadonlySet<string> => new Set(words.split(" "));
/** Words that can only be the sign of an address. */
const AT_WORDS = set("arroba arobase arobas klammeraffe klammeraffen affenschwanz chiocciola atsign");
/** Words that may be the sign of an address: they need a domain in words, or brackets. */
const MAYBE_AT = set("at aet a chez en bei");
const DOT_WORDS = set("dot punto point ponto punkt period pt");
const OPENING = set("( [ { <"), CLOSING = set(") ] } >");
/** Ends of host names that people use. Words of ordinary text are in the second list. */
const ENDS = set(
  "com net org io co app dev info biz online site shop store xyz club link page pro blog web eu us uk fr es pt br mx ar cl pe ca au nz nl ch de at be ie it " +
    "example test gov edu cat dog pet care email tv me gg ai",
);
const WORDS_TOO = set(
  "es us de at be it me no in so is am to am do my an as co pt web page link site shop store care pet dog cat email pro test blog example app info club",
);
/** Services whose links are contact details in themselves. */
const CONTACT_HOSTS: readonly string[] = (
  "t.me wa.me m.me instagram.com facebook.com fb.com fb.me snapchat.com tiktok.com telegram.me whatsapp.com discord.gg discord.com linktr.ee paypal.me " +
  "paypal.com venmo.com cash.app revolut.me monzo.me linkedin.com signal.me signal.group calendly.com bit.ly tinyurl.com beacons.ai lydia-app.com ko-fi.com " +
  "youtube.com x.com twitter.com about.me carrd.co zellepay.com wise.com"
).split(" ");
const PAYMENT_HOSTS = set(
  "paypal.me paypal.com venmo.com cash.app revolut.me monzo.me lydia-app.com zellepay.com wise.com ko-fi.com",
);
const PUBLIC_HOSTS: readonly string[] = (
  "maps.google.com maps.app.goo.gl maps.apple.com goo.gl google.com waze.com openstreetmap.org wikipedia.org weather.com youtu.be amazon.com chewy.com"
).split(" ");

/** Whether a host is one of these or below one. */
const isBelow = (host: string, hosts: readonly string[]) =>
  hosts.some((one) => host === one || host.endsWith(`.${one}`));

interface Host {
  name: string;
  first: number;
  last: number;
  /** Whether a dot is a word, or has spaces beside it. */
  spelled: boolean;
}

/** Every e-mail address, link and handle with an @, in order. */
export function findAddresses(
  tokens: readonly Token[],
  hits: readonly Hit[],
  context: PoachingContext,
): Find[] {
  const finds: Find[] = [];
  let until = -1;
  for (let i = 0; i < tokens.length; i++) {
    const sign = signAt(tokens, i);
    if (sign !== undefined) {
      const find = emailAt(tokens, i, sign, until, context);
      if (find !== undefined) {
        finds.push(find.find);
        until = Math.max(until, find.last);
      }
    }
  }
  const taken = (first: number, last: number) => {
    const from = tokens[first].from, to = tokens[last].to;
    return finds.some((find) => find.type === "email" && find.from < to && find.to > from);
  };
  const own = new Set(
    hits.filter(({ concept }) => concept === "own" || concept === "qr").flatMap((
      { first, last },
    ) => [first, last]),
  );
  const hosts = hostsOf(tokens);
  for (const host of hosts.slice(0, 50)) {
    if (taken(host.first, host.last)) continue;
    const find = linkOf(tokens, host, own, context);
    if (find !== undefined) finds.push(find);
  }
  return finds;
}

interface Sign {
  last: number;
  sure: boolean;
}

/** The sign of an address that begins at `i`. */
function signAt(tokens: readonly Token[], i: number): Sign | undefined {
  const { text } = tokens[i];
  if (text === "@" || AT_WORDS.has(text)) return { last: i, sure: true };
  if (text === "at" && (tokens[i + 1]?.text === "sign" || tokens[i + 1]?.text === "symbol")) {
    return { last: i + 1, sure: true };
  }
  if (OPENING.has(text)) {
    const word = tokens[i + 1]?.text ?? "", close = tokens[i + 2]?.text ?? "";
    if (
      CLOSING.has(close) &&
      (word === "@" || word === "at" || word === "a" || word === "aet" || AT_WORDS.has(word))
    ) return { last: i + 2, sure: true };
    return undefined;
  }
  return MAYBE_AT.has(text) && tokens[i].kind === "word" ? { last: i, sure: false } : undefined;
}

function emailAt(
  tokens: readonly Token[],
  first: number,
  { last, sure }: Sign,
  after: number,
  context: PoachingContext,
): { find: Find; last: number } | undefined {
  // "the at sign, then example.com": small words may stand between.
  let at = last + 1;
  for (let skipped = 0; sure && skipped < 4 && at < tokens.length; skipped++) {
    const { kind, text } = tokens[at];
    if (
      kind === "mark" && ",:-".includes(text) || text === "then" || text === "sign" || text === "symbol" ||
      text === "puis" || text === "luego"
    ) at++;
    else break;
  }
  const local = localBefore(tokens, first, after);
  const host = hostFrom(tokens, at);
  const provider = tokens[at] === undefined
    ? undefined
    : isWordOf("provider", tokens[at].text) && tokens[at].text !== "outlook" ||
      tokens[at].text === "outlook" && sure;
  const result = (score: number, rule: string, end: number) => ({
    find: {
      type: "email" as const,
      rule,
      from: tokens[Math.max(0, local ?? first)].from,
      to: tokens[end].to,
      score,
    },
    last: end,
  });
  if (local === undefined) {
    // An @ before a name: a handle, which the words around it judge.
    const name = tokens[last + 1];
    if (tokens[first].text === "@" && name?.glued && name.kind === "word" && name.text.length >= 2) {
      const end = handleEnd(tokens, last + 1);
      return {
        find: {
          type: "social",
          rule: "social.handle",
          from: tokens[first].from,
          to: tokens[end].to,
          score: 0.5,
        },
        last: end,
      };
    }
    return undefined;
  }
  if (host !== undefined) {
    if (context.allowedHosts?.some((allowed) => isBelow(host.name, [allowed.toLowerCase()]))) {
      return undefined;
    }
    if (sure) return result(0.95, "email.address", host.last);
    // "at example.com" is a place; "at example dot com" is an address.
    if (host.spelled && tokens[first].text !== "a" && tokens[first].text !== "en") {
      return result(0.88, "email.words", host.last);
    }
    return undefined;
  }
  if (provider) return result(sure ? 0.92 : 0.82, "email.provider", at);
  return sure && tokens[first].text !== "@" ? result(0.5, "email.sign", last) : undefined;
}

/** Where the local part before a sign begins: its last word at least; undefined if there is none. */
function localBefore(tokens: readonly Token[], sign: number, after: number): number | undefined {
  let at = sign - 1;
  if (tokens[sign].text === "@" && !tokens[sign].glued && tokens[sign + 1]?.glued) return undefined;
  for (let skipped = 0; skipped < 4 && at > after; skipped++) {
    const { kind, text } = tokens[at];
    if (
      kind === "mark" && ",:-".includes(text) || text === "then" || text === "the" || text === "puis" ||
      text === "luego"
    ) at--;
    else break;
  }
  if (at <= after || at < 0 || tokens[at].kind === "mark") return undefined;
  let from = at;
  for (let steps = 0; steps < 12 && from > after + 1; steps++) {
    const before = tokens[from - 1], isDot = DOT_WORDS.has(before.text) || "._-+".includes(before.text);
    if (isDot && from - 2 > after && tokens[from - 2].kind !== "mark") from -= 2;
    else if (tokens[from].glued && before.kind !== "mark") from--;
    else break;
  }
  return from;
}

/** A host name that begins at a token: labels and dots, however the dots are written. */
function hostFrom(tokens: readonly Token[], first: number): Host | undefined {
  let name = "", at = first, last = -1, spelled = false, whole = "";
  for (let labels = 0; labels < 6; labels++) {
    const start = at;
    let label = "";
    while (at < tokens.length && at < start + 8) {
      const { kind, text, glued } = tokens[at];
      if (at > start && !glued) break;
      if (kind === "mark" && !(text === "-" && tokens[at + 1]?.glued)) break;
      label += text;
      at++;
    }
    if (label === "" || label.startsWith("-")) break;
    name += label;
    // The end of the name so far, if it is one.
    if (labels > 0 && ENDS.has(label)) whole = name, last = at - 1;
    const dot = dotAt(tokens, at);
    if (dot === undefined) break;
    spelled ||= dot.spelled;
    name += ".";
    at = dot.next;
  }
  return last < 0 ? undefined : { name: whole, first, last, spelled };
}

function dotAt(tokens: readonly Token[], at: number): { next: number; spelled: boolean } | undefined {
  const token = tokens[at];
  if (token === undefined) return undefined;
  if (token.text === ".") {
    const isGlued = token.glued && tokens[at + 1]?.glued === true;
    return isGlued || !token.glued ? { next: at + 1, spelled: !isGlued } : undefined;
  }
  if (DOT_WORDS.has(token.text)) return { next: at + 1, spelled: true };
  const open = OPENING.has(token.text), inner = tokens[at + 1]?.text ?? "";
  if (open && (inner === "." || DOT_WORDS.has(inner)) && CLOSING.has(tokens[at + 2]?.text ?? "")) {
    return { next: at + 3, spelled: true };
  }
  return undefined;
}

/** Host names outside of addresses. Each token begins at most one, and what belongs to one begins none. */
function hostsOf(tokens: readonly Token[]): Host[] {
  const hosts: Host[] = [];
  for (let i = 0; i < tokens.length; i++) {
    if (tokens[i].kind === "mark") continue;
    if (tokens[i].kind === "number" && tokens[i + 1]?.kind !== "word") continue;
    const host = hostFrom(tokens, i);
    if (host === undefined) continue;
    hosts.push(host);
    i = host.last;
  }
  return hosts;
}

function linkOf(
  tokens: readonly Token[],
  host: Host,
  own: ReadonlySet<number>,
  context: PoachingContext,
): Find | undefined {
  const { name, first, last, spelled } = host;
  if (context.allowedHosts?.some((allowed) => isBelow(name, [allowed.toLowerCase()]))) return undefined;
  const end = name.slice(name.lastIndexOf(".") + 1), label = name.slice(0, name.indexOf("."));
  const slash = tokens[last + 1]?.text === "/" &&
    (tokens[last + 2]?.kind === "word" || tokens[last + 2]?.kind === "number");
  const scheme = first >= 3 && tokens[first - 1].text === "/" && tokens[first - 2].text === "/" &&
    tokens[first - 3].text === ":";
  const isUrl = scheme || slash || name.startsWith("www.");
  const type = PAYMENT_HOSTS.has(name)
    ? "payment"
    : isBelow(name, CONTACT_HOSTS) && end !== ""
    ? "social"
    : "url";
  const find = (score: number, rule: string): Find => ({
    type,
    rule,
    from: tokens[first].from,
    to: tokens[last].to,
    score,
  });
  if (isBelow(name, CONTACT_HOSTS) && (isUrl || !spelled)) return find(0.9, `${type}.link`);
  if (isBelow(name, PUBLIC_HOSTS)) return undefined;
  let mine = false;
  for (let at = first - 6; at <= last + 4; at++) mine ||= own.has(at) && (at < first || at > last);
  if (isUrl) return find(mine ? 0.85 : 0.55, "url.link");
  // "I'm done. So" and "punto de": an end that is a word needs more than a dot.
  if (WORDS_TOO.has(end)) {
    if (!spelled) {
      return label.length >= 4 && mine
        ? find(0.6, "url.host")
        : label.length >= 8
        ? find(0.45, "url.host")
        : undefined;
    }
    return label.length >= 8 && tokens[last - 1].text !== "." &&
        !["es", "de", "en", "it", "at", "be", "me", "us", "in", "is", "an", "as", "do"].includes(end)
      ? find(mine ? 0.8 : 0.5, "url.words")
      : undefined;
  }
  if (spelled && label.length < 3) return undefined;
  return find(mine ? 0.85 : spelled ? 0.6 : 0.55, spelled ? "url.words" : "url.host");
}

/** The last token of a handle that begins at `first`: letters, digits, dots, underscores, one discriminator. */
export function handleEnd(tokens: readonly Token[], first: number): number {
  let last = first;
  while (last + 1 < tokens.length && last < first + 12 && tokens[last + 1].glued) {
    const { kind, text } = tokens[last + 1];
    if (
      kind === "mark" &&
      !("._-#".includes(text) && tokens[last + 2]?.glued && tokens[last + 2].kind !== "mark")
    ) break;
    last++;
  }
  // A dot or underscore may also end it.
  if (tokens[last + 1]?.text === "_" && tokens[last + 1].glued) last++;
  return last;
}

/** Whether tokens look like a name of an account, and not like a word. */
export function isHandle(tokens: readonly Token[], first: number, last: number): boolean {
  let letters = 0, digits = 0, marks = 0, length = 0;
  for (let at = first; at <= last; at++) {
    const { kind, text } = tokens[at];
    length += text.length;
    if (kind === "word") letters++;
    else if (kind === "number") digits++;
    else if (text === "_" || text === "#" || text === ".") marks++;
    else return false;
  }
  return letters > 0 && length >= 4 && (digits > 0 && length >= 6 || marks > 0 || length >= 13);
}
