/**
 * Invitations in words: to another messenger, to pay otherwise, to leave the business out, to tell a number;
 * and names of accounts beside names of services. Pure; linear in the number of words, since each of the
 * {@linkcode RULES} passes over the concepts once.
 *
 * @module
 */
import { handleEnd, isHandle } from "./addresses.ts";
import type { Find, ViolationType } from "./finding.ts";
import { type Concept, type Hit, isWordOf } from "./lexicon.ts";
import type { Token } from "./tokens.ts";
import { type Rule, RULES } from "./rules.ts";
import { unleet } from "./spoken.ts";

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
  const next = tokens[last + 1];
  if (next?.kind === "number" && next.glued) return true;
  return next?.text === "-" && next.glued && tokens[last + 2]?.glued === true &&
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
    const { first, last } = hits[i];
    // "dont" in "dont need the app" is a part of what the rule is about.
    const within = but.some((one) => one !== undefined && one.first <= first && last <= one.last);
    if (hits[i].concept === concept && !within) return true;
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
      !tokens[back + 1].glued && !tokens[back].glued;
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
