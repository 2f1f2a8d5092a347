/**
 * Whether a person or a machine opened a mail or clicked a link in it.
 *
 * Facts are judged and never dropped: a verdict stands beside the fact, with its reasons, and may be made again when
 * more is known of the same message. Each access is judged for itself, so a person who clicks an hour after a scanner
 * is a person.
 *
 * Failure policy: what speaks neither way is a person's, because most machines say so or are too fast to hide; a sign
 * that people can have too makes it `unsure`.
 *
 * @module
 */
import { agentOf } from "../../agents/agents.ts";
import { scannerOf } from "./scanners.ts";

/** Who did it, as far as can be told. */
export type AccessVerdict = "human" | "machine" | "unsure";

/** One time that the pixel of a mail was loaded, or a link of it was followed. */
export interface Access {
  readonly kind: "open" | "click";
  /** Unix milliseconds. */
  readonly at: number;
  readonly userAgent: string;
  /** The address that it came from; undefined where it is not known. */
  readonly address?: string;
  /** @default {"GET"} */
  readonly method?: string;
  /** The header `Sec-Purpose` or `Purpose`. */
  readonly purpose?: string;
  /** Which link: its number or its address. The same text for the same link. */
  readonly link?: string;
  /** Whether it is the link that people do not see. */
  readonly trap?: boolean;
  /** What the provider says of it, where it does. */
  readonly machine?: boolean;
}

/** What is known of the message. */
export interface AccessedMail {
  /** When the receiving server took it, in Unix milliseconds; not when it was sent, for that may be hours before. */
  readonly deliveredAt?: number;
}

/** A verdict, with what it is based on: words of the system, sorted. */
export interface Judgement {
  readonly verdict: AccessVerdict;
  readonly reasons: readonly string[];
}

/** Scanners follow links at delivery; people need longer to read (Mautic and Auxx draw the line at 2 and 10 s). */
const INSTANT_MS = 10_000;
/** A scanner's second sign: it looked within minutes of the delivery. */
const SOON_MS = 120_000;
/** So many links in so short a time are not followed by a person (github.com/mautic/mautic/issues/9798). */
const BURST_LINKS = 3;
const BURST_MS = 10_000;
/** The sign of an image proxy, which loads an image when a person looks, however soon that is. */
const MAIL_PROXY = "mail_proxy";
/** Two links at once are in doubt. */
const PAIR_MS = 1500;
/** Whoever follows the hidden link did the rest at about the same time. */
const TRAP_MS = 20_000;
/** Chrome of 2021 and before, which scanners still name; people's browsers renew themselves. */
const OLD_CHROME = 95;

/**
 * Gmail and Yahoo load an image through a proxy once a person looks at the mail.
 *
 * Sources: Google, "Gmail image proxy" (2013); Yahoo, "Yahoo Mail Proxy" (SLN28749).
 */
const PERSONS_PROXY = /GoogleImageProxy|YahooMailProxy/;
/**
 * Gmail loads images ahead while its tab is open, with this agent.
 *
 * Source: github.com/mautic/mautic/issues/10245; SparkPost, "Gmail prefetch".
 */
const GMAIL_AHEAD = /Chrome\/42\.0\.2311\.135 Safari\/537\.36 Edge\/12\.246 Mozilla\/5\.0$/;
/** Mail programs that load images by themselves once a person looks; as a link's visitor they would be previews. */
const MAIL_PROGRAM =
  /\b(?:ms-office|MSOffice|Microsoft Office|Microsoft Outlook|Outlook-iOS|Outlook-Android|Thunderbird|Airmail|eM ?Client|Postbox|Lotus-Notes|K-9|Evolution|BlackBerry|Spark)\b/i;

/** What an access says for itself, in words; nothing of its agent or its address. All that is kept of these. */
export interface Signs {
  /** Signs that no person gives. */
  readonly machine: readonly string[];
  /** Signs that a person rarely gives. */
  readonly doubts: readonly string[];
  /** The scanner whose network a click came from. */
  readonly scanner?: string;
  /** What speaks for a person, if nothing speaks against one: `mail_proxy`, `mail_program` or `browser`. */
  readonly person: string;
}

/** An access by its signs. */
export interface SignedAccess extends Pick<Access, "kind" | "at" | "link" | "trap"> {
  readonly signs: Signs;
}

/** The signs of an access. Hot: called once for each. */
export function signsOf(access: Access): Signs {
  return {
    machine: machineSigns(access),
    doubts: doubtsOf(access),
    scanner: access.kind === "click" ? scannerOf(access.address ?? "") : undefined,
    person: personSign(access),
  };
}

/**
 * Judges what happened to one message, in the order given.
 *
 * @param accesses All that is known, in any order: a burst and the hidden link are seen only together.
 */
export function judgeAccesses(accesses: readonly Access[], mail: AccessedMail = {}): Judgement[] {
  return judgeSigned(accesses.map((access) => ({ ...access, signs: signsOf(access) })), mail);
}

/** {@linkcode judgeAccesses} of accesses of which only the signs were kept: the same verdicts. */
export function judgeSigned(
  accesses: readonly SignedAccess[],
  { deliveredAt }: AccessedMail = {},
): Judgement[] {
  const clicks = accesses.filter(({ kind }) => kind === "click").sort((a, b) => a.at - b.at);
  const traps = accesses.filter(({ trap }) => trap === true).map(({ at }) => at).sort((a, b) => a - b);
  const [bursts, pairs] = crowdsOf(clicks);
  return accesses.map((access) => {
    const { at, signs: { scanner, person } } = access;
    const machine = [...access.signs.machine], doubts = [...access.signs.doubts];
    if (deliveredAt !== undefined && at - deliveredAt < INSTANT_MS && person !== MAIL_PROXY) {
      machine.push("instant");
    }
    if (bursts.has(access)) machine.push("burst");
    else if (pairs.has(access)) doubts.push("pair");
    if (near(traps, at, TRAP_MS)) machine.push("trap");
    if (scanner !== undefined) {
      const soon = deliveredAt !== undefined && at - deliveredAt < SOON_MS;
      (soon || doubts.length > 0 ? machine : doubts).push(`network_${scanner}`);
    }
    if (machine.length > 0) return { verdict: "machine", reasons: [...machine, ...doubts].sort() };
    if (doubts.length > 0) return { verdict: "unsure", reasons: doubts.sort() };
    return { verdict: "human", reasons: [person] };
  });
}

/** Signs as one text of letters, `_`, `.` and `,`, for the database. */
export function signsText({ machine, doubts, scanner, person }: Signs): string {
  const words = [...machine.map((word) => `m.${word}`), ...doubts.map((word) => `d.${word}`), `p.${person}`];
  if (scanner !== undefined) words.push(`n.${scanner}`);
  return words.join(",");
}

/** Reverses {@linkcode signsText}. Words of another version that say nothing here are left out. */
export function readSigns(text: string): Signs {
  const words = text.split(",");
  const of = (kind: string) => words.flatMap((word) => word.startsWith(`${kind}.`) ? [word.slice(2)] : []);
  return { machine: of("m"), doubts: of("d"), scanner: of("n")[0], person: of("p")[0] ?? "browser" };
}

/** Signs that no person gives. */
function machineSigns({ kind, userAgent, method = "GET", purpose = "", machine }: Access): string[] {
  const signs: string[] = [];
  // RFC 9110 9.3.2: who asks with HEAD reads no content. Mail programs and scanners look ahead so.
  if (method !== "GET") signs.push("method");
  // W3C, "Prefetch": the browser says that nobody has asked yet.
  if (/prefetch|prerender|preview/i.test(purpose)) signs.push("prefetch");
  // Twilio SendGrid, "Event Webhook Reference": sg_machine_open.
  if (machine === true) signs.push("provider");
  // Apple, "Mail Privacy Protection": images are loaded whether the mail is opened or not, with this agent.
  if (userAgent === "Mozilla/5.0") signs.push(kind === "open" ? "apple_prefetch" : "bare_agent");
  if (GMAIL_AHEAD.test(userAgent)) signs.push("gmail_prefetch");
  if (userAgent === "") {
    if (kind === "click") signs.push("no_agent");
  } else if (signs.length === 0 && !(kind === "open" && isMailReader(userAgent))) {
    const agent = agentOf(userAgent);
    if (agent.verdict !== "human") signs.push("program");
  }
  return signs;
}

/** Signs that a person rarely gives. */
function doubtsOf({ kind, userAgent }: Access): string[] {
  const doubts: string[] = [];
  // Proxies that protect people's privacy hide the agent; so do simple machines.
  if (kind === "open" && userAgent === "") doubts.push("no_agent");
  const chrome = /\bChrome\/(\d{1,4})\./.exec(userAgent)?.[1];
  // A web view names the version of the system that it came with.
  if (kind === "click" && chrome !== undefined && Number(chrome) < OLD_CHROME && !/; wv\)/.test(userAgent)) {
    doubts.push("old_browser");
  }
  return doubts;
}

const isMailReader = (userAgent: string) => PERSONS_PROXY.test(userAgent) || MAIL_PROGRAM.test(userAgent);

function personSign({ kind, userAgent }: Access): string {
  if (kind === "click") return "browser";
  if (PERSONS_PROXY.test(userAgent)) return MAIL_PROXY;
  return MAIL_PROGRAM.test(userAgent) ? "mail_program" : "browser";
}

/** Clicks that are part of a burst, and those that came together with one of another link. @param clicks By time. */
function crowdsOf(clicks: readonly SignedAccess[]): [Set<SignedAccess>, Set<SignedAccess>] {
  const bursts = new Set<SignedAccess>(), pairs = new Set<SignedAccess>();
  const held = new Map<string, number>();
  let first = 0, marked = 0;
  for (let last = 0; last < clicks.length; last++) {
    const click = clicks[last], link = click.link ?? "";
    held.set(link, (held.get(link) ?? 0) + 1);
    for (; click.at - clicks[first].at > BURST_MS; first++) {
      const gone = clicks[first].link ?? "", left = held.get(gone)! - 1;
      if (left === 0) held.delete(gone);
      else held.set(gone, left);
    }
    if (held.size >= BURST_LINKS) {
      // What an earlier step marked is not marked again: a message may have thousands of clicks.
      for (let i = Math.max(first, marked); i <= last; i++) bursts.add(clicks[i]);
      marked = last + 1;
    }
    const before = clicks[last - 1];
    if (before !== undefined && click.at - before.at <= PAIR_MS && (before.link ?? "") !== link) {
      pairs.add(before).add(click);
    }
  }
  return [bursts, pairs];
}

/** Whether one of these times is that near. @param times Sorted. */
function near(times: readonly number[], at: number, within: number): boolean {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < at - within) low = middle + 1;
    else high = middle;
  }
  return low < times.length && times[low] <= at + within;
}
