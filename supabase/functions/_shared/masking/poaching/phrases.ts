/**
 * Invitations in words: to another messenger, to pay otherwise, to leave the business out, to tell a number.
 * A rule is a set of concepts within a few words of each other. Pure; linear in the number of words, since each
 * rule passes over the concepts once.
 *
 * @module
 */
import { handleEnd, isHandle } from "./addresses.ts";
import type { Find, ViolationType } from "./finding.ts";
import { type Concept, type Hit, isWordOf } from "./lexicon.ts";
import type { Token } from "./tokens.ts";
import { unleet } from "./spoken.ts";

interface Rule {
  readonly name: string;
  readonly type: ViolationType;
  readonly score: number;
  /** All of these, each said by a token of its own unless `same`. */
  readonly all: readonly Concept[];
  /** Most tokens from the first to the last of them. */
  readonly within: number;
  /** Whether they must come in this order. */
  readonly ordered?: boolean;
  /** Concepts that halve the score if they are within the words or up to three tokens around them. */
  readonly unless?: readonly Concept[];
}

const REFUSED: readonly Concept[] = ["never", "inApp"];

/** Every rule. The highest score of a type counts; two types or rules together count for more. */
const RULES: readonly Rule[] = [
  {
    name: "social.invite",
    type: "social",
    score: 0.82,
    all: ["social", "contact"],
    within: 6,
    unless: REFUSED,
  },
  {
    name: "social.switch",
    type: "social",
    score: 0.82,
    all: ["social", "switch"],
    within: 6,
    unless: REFUSED,
  },
  {
    name: "social.present",
    type: "social",
    score: 0.8,
    all: ["im", "social"],
    within: 4,
    ordered: true,
    unless: REFUSED,
  },
  {
    name: "social.asked",
    type: "social",
    score: 0.82,
    all: ["ask", "your", "social"],
    within: 5,
    unless: REFUSED,
  },
  {
    name: "social.mine",
    type: "social",
    score: 0.8,
    all: ["my", "social"],
    within: 3,
    ordered: true,
    unless: REFUSED,
  },
  { name: "social.named", type: "social", score: 0.45, all: ["social"], within: 1, unless: ["inApp", "org"] },
  {
    name: "social.verb",
    type: "social",
    score: 0.85,
    all: ["socialWeak", "me"],
    within: 2,
    ordered: true,
    unless: REFUSED,
  },
  {
    name: "social.weak",
    type: "social",
    score: 0.8,
    all: ["contact", "me", "socialWeak"],
    within: 6,
    unless: REFUSED,
  },
  {
    name: "social.weak_mine",
    type: "social",
    score: 0.8,
    all: ["my", "socialWeak"],
    within: 2,
    ordered: true,
    unless: REFUSED,
  },
  {
    name: "social.weak_asked",
    type: "social",
    score: 0.8,
    all: ["your", "socialWeak"],
    within: 2,
    ordered: true,
    unless: REFUSED,
  },
  {
    name: "social.weak_switch",
    type: "social",
    score: 0.6,
    all: ["switch", "socialWeak"],
    within: 4,
    ordered: true,
    unless: REFUSED,
  },

  { name: "payment.offer", type: "payment", score: 0.85, all: ["payApp", "me"], within: 6, unless: REFUSED },
  { name: "payment.pay", type: "payment", score: 0.82, all: ["payApp", "pay"], within: 6, unless: REFUSED },
  {
    name: "payment.works",
    type: "payment",
    score: 0.82,
    all: ["payApp", "offer"],
    within: 5,
    unless: REFUSED,
  },
  { name: "payment.mine", type: "payment", score: 0.85, all: ["my", "payApp"], within: 4, unless: REFUSED },
  {
    name: "payment.switch",
    type: "payment",
    score: 0.8,
    all: ["payApp", "switch"],
    within: 6,
    unless: REFUSED,
  },
  { name: "payment.have", type: "payment", score: 0.6, all: ["payApp", "your"], within: 4, unless: REFUSED },
  { name: "payment.named", type: "payment", score: 0.42, all: ["payApp"], within: 1, unless: ["inApp"] },
  {
    name: "payment.cash",
    type: "payment",
    score: 0.82,
    all: ["cash", "pay", "me"],
    within: 9,
    unless: REFUSED,
  },
  {
    name: "payment.cash_direct",
    type: "payment",
    score: 0.85,
    all: ["cash", "pay", "direct"],
    within: 10,
    unless: REFUSED,
  },
  {
    name: "payment.cash_fee",
    type: "payment",
    score: 0.85,
    all: ["cash", "fee"],
    within: 12,
    unless: REFUSED,
  },
  {
    name: "payment.cash_cheap",
    type: "payment",
    score: 0.82,
    all: ["cash", "cheap"],
    within: 12,
    unless: ["never"],
  },
  {
    name: "payment.cash_asked",
    type: "payment",
    score: 0.5,
    all: ["cash", "pay"],
    within: 6,
    unless: REFUSED,
  },
  {
    name: "payment.direct",
    type: "payment",
    score: 0.82,
    all: ["pay", "me", "direct"],
    within: 7,
    unless: REFUSED,
  },
  {
    name: "payment.cheap",
    type: "payment",
    score: 0.8,
    all: ["cheap", "pay", "me"],
    within: 10,
    unless: REFUSED,
  },

  {
    name: "off_platform.deal",
    type: "off_platform",
    score: 0.85,
    all: ["bypass", "org", "deal"],
    within: 12,
    unless: REFUSED,
  },
  {
    name: "off_platform.bypass",
    type: "off_platform",
    score: 0.6,
    all: ["bypass", "org"],
    within: 5,
    ordered: true,
    unless: ["never"],
  },
  {
    name: "off_platform.around",
    type: "off_platform",
    score: 0.7,
    all: ["bypassed"],
    within: 4,
    unless: ["never"],
  },
  {
    name: "off_platform.around_deal",
    type: "off_platform",
    score: 0.85,
    all: ["bypassed", "deal"],
    within: 12,
    unless: REFUSED,
  },
  {
    name: "off_platform.book",
    type: "off_platform",
    score: 0.85,
    all: ["book", "direct", "me"],
    within: 8,
    unless: REFUSED,
  },
  {
    name: "off_platform.hire",
    type: "off_platform",
    score: 0.82,
    all: ["hire", "direct"],
    within: 6,
    unless: REFUSED,
  },
  {
    name: "off_platform.direct",
    type: "off_platform",
    score: 0.6,
    all: ["direct", "me", "deal"],
    within: 7,
    unless: REFUSED,
  },
  {
    name: "off_platform.contact",
    type: "off_platform",
    score: 0.5,
    all: ["direct", "me", "contact"],
    within: 5,
    unless: REFUSED,
  },
  {
    name: "off_platform.next",
    type: "off_platform",
    score: 0.8,
    all: ["nextTime", "direct"],
    within: 12,
    unless: REFUSED,
  },
  {
    name: "off_platform.next_bypass",
    type: "off_platform",
    score: 0.82,
    all: ["nextTime", "bypass", "org"],
    within: 14,
    unless: REFUSED,
  },
  {
    name: "off_platform.side",
    type: "off_platform",
    score: 0.8,
    all: ["side", "deal"],
    within: 10,
    unless: REFUSED,
  },
  { name: "off_platform.own", type: "off_platform", score: 0.6, all: ["side"], within: 4, unless: REFUSED },
  {
    name: "off_platform.cancel",
    type: "off_platform",
    score: 0.82,
    all: ["cancel", "anyway", "me"],
    within: 12,
    unless: ["never"],
  },
  {
    name: "off_platform.cancel_org",
    type: "off_platform",
    score: 0.82,
    all: ["cancel", "org", "anyway"],
    within: 14,
    unless: ["never"],
  },
  {
    name: "off_platform.leaving",
    type: "off_platform",
    score: 0.82,
    all: ["leave", "org", "keep"],
    within: 16,
    unless: ["never"],
  },
  {
    name: "off_platform.keep",
    type: "off_platform",
    score: 0.6,
    all: ["leave", "keep"],
    within: 14,
    unless: ["never"],
  },
  {
    name: "off_platform.fee",
    type: "off_platform",
    score: 0.7,
    all: ["fee", "save"],
    within: 6,
    unless: REFUSED,
  },
  {
    name: "off_platform.fee_org",
    type: "off_platform",
    score: 0.8,
    all: ["fee", "bypass", "me"],
    within: 10,
    unless: REFUSED,
  },
  {
    name: "off_platform.cheap",
    type: "off_platform",
    score: 0.82,
    all: ["cheap", "direct"],
    within: 12,
    unless: REFUSED,
  },
  {
    name: "off_platform.cheap_org",
    type: "off_platform",
    score: 0.85,
    all: ["cheap", "bypass", "org"],
    within: 16,
    unless: REFUSED,
  },
  {
    name: "off_platform.card",
    type: "off_platform",
    score: 0.5,
    all: ["card"],
    within: 3,
    unless: ["inApp"],
  },

  {
    name: "phone.asked",
    type: "phone",
    score: 0.6,
    all: ["ask", "your", "phone"],
    within: 6,
    unless: REFUSED,
  },
  {
    name: "phone.hidden",
    type: "phone",
    score: 0.6,
    all: ["my", "phone", "place"],
    within: 7,
    ordered: true,
    unless: ["never", "official"],
  },
  {
    name: "phone.hidden_place",
    type: "phone",
    score: 0.6,
    all: ["place", "my", "phone"],
    within: 6,
    ordered: true,
    unless: ["never", "official"],
  },
  {
    name: "phone.save",
    type: "phone",
    score: 0.5,
    all: ["my", "phone", "contact"],
    within: 6,
    unless: ["never", "official", "inApp"],
  },
  {
    name: "email.asked",
    type: "email",
    score: 0.6,
    all: ["ask", "your", "mailbox"],
    within: 6,
    unless: REFUSED,
  },
  {
    name: "email.mine",
    type: "email",
    score: 0.45,
    all: ["my", "mailbox"],
    within: 3,
    ordered: true,
    unless: ["never", "inApp", "official"],
  },
  { name: "url.qr", type: "url", score: 0.6, all: ["qr", "card"], within: 14 },
  { name: "url.qr_contact", type: "url", score: 0.6, all: ["qr", "my"], within: 12 },
  { name: "url.qr_me", type: "url", score: 0.5, all: ["qr", "contact"], within: 12, unless: ["inApp"] },
];

/** Everything that words say. */
export function findPhrases(tokens: readonly Token[], concepts: readonly Hit[]): Find[] {
  const hits = [...concepts.filter((hit) => !isCompound(tokens, hit)), ...leetNames(tokens)].sort((a, b) =>
    a.first - b.first
  );
  const finds: Find[] = [];
  for (const rule of RULES) {
    const find = apply(rule, tokens, hits);
    if (find !== undefined) finds.push(find);
  }
  finds.push(...named(tokens, hits), ...halves(tokens, hits));
  return finds;
}

/** `Insta-cute`: the name is half of another word. */
function isCompound(tokens: readonly Token[], { concept, last }: Hit): boolean {
  if (concept !== "social" && concept !== "socialWeak") return false;
  return tokens[last + 1]?.text === "-" && tokens[last + 1].glued && tokens[last + 2]?.glued === true &&
    tokens[last + 2].kind === "word";
}

/** Names of services with digits for letters: `v3nmo`, `wh4tsapp`. */
function leetNames(tokens: readonly Token[]): Hit[] {
  const hits: Hit[] = [];
  for (let first = 0; first < tokens.length; first++) {
    let last = first, text = tokens[first].text, digits = tokens[first].kind === "number";
    if (!tokens[first + 1]?.glued || tokens[first].glued) continue;
    while (
      last + 1 < tokens.length && last < first + 8 && tokens[last + 1].glued &&
      !".,:;".includes(tokens[last + 1].text)
    ) {
      last++;
      digits ||= tokens[last].kind === "number" || "$@!".includes(tokens[last].text);
      text += tokens[last].text;
    }
    if (!digits) continue;
    const word = unleet(text);
    for (const concept of ["social", "payApp", "provider"] as const) {
      if (isWordOf(concept, word)) hits.push({ concept, first, last });
    }
  }
  return hits;
}

/** The first place where a rule holds. */
function apply(rule: Rule, tokens: readonly Token[], hits: readonly Hit[]): Find | undefined {
  const { all, within, ordered, unless } = rule;
  const seen: (Hit | undefined)[] = new Array(all.length);
  let best: Find | undefined;
  for (const hit of hits) {
    const place = all.indexOf(hit.concept);
    if (place < 0) continue;
    if (ordered && place > 0) {
      const before = seen[place - 1];
      if (before === undefined || before.last >= hit.first) continue;
    }
    seen[place] = hit;
    if (ordered && place < all.length - 1) continue;
    let first = Infinity, last = -1, missing = false;
    for (const one of seen) {
      if (one === undefined) missing = true;
      else first = Math.min(first, one.first), last = Math.max(last, one.last);
    }
    if (missing || last - first + 1 > within + 1) continue;
    const score = unless?.some((concept) => isAround(hits, concept, first - 4, last + 5, seen))
      ? rule.score / 2
      : rule.score;
    if (best === undefined || score > best.score) {
      best = { type: rule.type, rule: rule.name, from: tokens[first].from, to: tokens[last].to, score };
      if (score === rule.score) return best;
    }
  }
  return best;
}

/** Whether a concept is said between two tokens, by another hit than those of the rule. */
function isAround(
  hits: readonly Hit[],
  concept: Concept,
  from: number,
  to: number,
  but: readonly (Hit | undefined)[],
): boolean {
  // Hits are in order: the first that may count is found by halves, and the last is at most `to`.
  let low = 0, high = hits.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (hits[middle].first < from) low = middle + 1;
    else high = middle;
  }
  for (let i = low; i < hits.length && hits[i].first <= to; i++) {
    if (hits[i].concept === concept && !but.includes(hits[i])) return true;
  }
  return false;
}

/** Words between the name of a service and the name of an account. */
const LEADING: ReadonlySet<string> = new Set(
  "is es e as als als at under unter handle user username name my the mi meu mon ist it s me im i am con como sous soy sou account profile"
    .split(" "),
);

/** The name of an account beside the name of a service: `IG: norawalks`, `norawalks99 on snap`. */
function named(tokens: readonly Token[], hits: readonly Hit[]): Find[] {
  const finds: Find[] = [];
  const types: Partial<Record<Concept, ViolationType>> = {
    social: "social",
    socialWeak: "social",
    payApp: "payment",
    provider: "email",
  };
  for (const { concept, first, last } of hits) {
    const type = types[concept];
    if (type === undefined || concept === "provider" && isWordOf("never", tokens[first].text)) continue;
    let at = last + 1, lead = false, marked = false;
    for (let steps = 0; steps < 4 && at < tokens.length; steps++) {
      const { kind, text } = tokens[at];
      if (kind === "mark" && (text === ":" || text === "=" || text === "@" || text === "-" || text === "$")) {
        marked ||= text !== "-", at++;
      } else if (kind === "mark" && text === ",") at++;
      else if (kind === "word" && LEADING.has(text)) lead = true, at++;
      else break;
    }
    const account = tokens[at];
    const find = (score: number, from: number, to: number): Find => ({
      type,
      rule: `${type}.account`,
      from: tokens[from].from,
      to: tokens[to].to,
      score,
    });
    if (account !== undefined && account.kind !== "mark") {
      const end = handleEnd(tokens, at), long = end > at || account.text.length >= 9;
      if (isHandle(tokens, at, end)) {
        finds.push(find(lead || marked || concept !== "socialWeak" ? 0.85 : 0.7, first, end));
      } else if (marked && account.kind === "word" && account.text.length >= 3) {
        finds.push(
          find(concept === "social" || tokens[first].text === "ig" || long ? 0.82 : 0.6, first, end),
        );
      }
    }
    // Before it: "norawalks99 on snap".
    let back = first - 1;
    for (
      let steps = 0;
      steps < 4 && back >= 0 && tokens[back].kind === "word" && tokens[back].text.length <= 6 &&
      !tokens[back + 1].glued;
      steps++
    ) back--;
    if (
      back >= 0 && (tokens[back].kind === "number" || back + 1 < first) && first - back <= 5 &&
      tokens[back].kind !== "mark"
    ) {
      let start = back;
      while (start > 0 && tokens[start].glued && back - start < 8) start--;
      if (isHandle(tokens, start, back) && !(tokens[start].kind === "number")) {
        finds.push(find(0.8, start, last));
      }
    }
  }
  return finds.slice(0, 20);
}

/** A part of a number, called one: "first half of my number: 650555", "the last four are 0142". */
function halves(tokens: readonly Token[], hits: readonly Hit[]): Find[] {
  const numbers = tokens.map(({ kind, text }, i) => kind === "number" && text.length >= 2 ? i : -1).filter((
    i,
  ) => i >= 0);
  if (numbers.length === 0) return [];
  let next = 0;
  for (const { concept, first, last } of hits) {
    if (concept !== "half") continue;
    while (next < numbers.length && numbers[next] < first) next++;
    const at = numbers[next];
    if (at !== undefined && at <= last + 6) {
      return [{ type: "phone", rule: "phone.part", from: tokens[first].from, to: tokens[at].to, score: 0.5 }];
    }
  }
  return [];
}
