/**
 * Detection of texts that would lead two people around the business: the verdict on one text. Pure, and linear
 * in the length of the text.
 *
 * Three outcomes. `block`: held until the owner lets it pass. `warn`: sent, and noted. `pass`. Precision comes
 * first where a text is held, because a held address stands between a client and a worker at the door; recall
 * comes from warnings. Photos, voice and what people agree on at the door are out of reach.
 *
 * Failure policy: open. This never throws for any text; a text that it cannot read passes.
 *
 * @module
 */
import { findAddresses } from "./addresses.ts";
import { type Find, type PoachingContext, VIOLATION_TYPES, type ViolationType } from "./finding.ts";
import { closeUp, fold, type Folded } from "./fold.ts";
import { conceptsOf } from "./lexicon.ts";
import { findPhones } from "./phones.ts";
import { findPhrases } from "./phrases.ts";
import { tokenise } from "./tokens.ts";
import { findKeys } from "./keys.ts";

/** What happens to a text. */
export type Outcome = "pass" | "warn" | "block";

/** One finding, in offsets of the text as it was written. */
export interface PoachingFinding {
  readonly type: ViolationType;
  readonly rule: string;
  readonly from: number;
  readonly to: number;
  readonly score: number;
  /** The match with all but its last two letters or digits replaced: safe to keep and to log. */
  readonly redacted: string;
}

export interface Verdict {
  readonly outcome: Outcome;
  /** Types of the findings that count, in the order of {@linkcode VIOLATION_TYPES}. */
  readonly types: readonly ViolationType[];
  readonly findings: readonly PoachingFinding[];
  /** How sure all findings together are, between 0 and 1. */
  readonly score: number;
  /** Whether only the texts before this one and this one together show it. */
  readonly split: boolean;
}

/** From this on a text is held. */
export const BLOCK_FROM = 0.75;
/** From this on a text is noted. */
export const WARN_FROM = 0.4;
/** Longest text that is read: an SMS of ten segments has 1,530 characters. The rest is not. */
export const MAX_LENGTH = 4096;

/** Texts of the same sender that are read together with a new one. */
export const SPLIT_TEXTS = 3;
/** How long before the new one, in milliseconds: ten minutes. */
export const SPLIT_WITHIN = 600_000;

/**
 * Judges one text.
 *
 * @param earlier The sender's texts to the same person before this one, oldest first: at most
 *   {@linkcode SPLIT_TEXTS} within {@linkcode SPLIT_WITHIN} are of use. A number that is spread over them is
 *   found with the new one.
 * @example
 * ```ts
 * judgeText("my cell: six 5 zero - 555 - zero 1 nine 0"); // { outcome: "block", types: ["phone"], … }
 * ```
 */
export function judgeText(
  text: string,
  context: PoachingContext = {},
  earlier: readonly string[] = [],
): Verdict {
  const alone = judgeAlone(text, context);
  if (alone.outcome === "block" || earlier.length === 0) return alone;
  const before = earlier.slice(-SPLIT_TEXTS);
  for (let from = before.length - 1; from >= 0; from--) {
    const head = before.slice(from).join("\n").slice(-MAX_LENGTH) + "\n";
    const joined = judgeAlone(head + text.slice(0, MAX_LENGTH), context);
    // What the earlier texts showed by themselves was judged with them.
    const new_ = joined.findings.filter(({ from, to }) => from < head.length && to > head.length)
      .filter(({ type }) => type === "phone" || type === "email" || type === "url");
    if (new_.length === 0) continue;
    const verdict = verdictOf([
      ...alone.findings,
      ...new_.map((finding) => ({ ...finding, from: 0, to: Math.max(0, finding.to - head.length) })),
    ]);
    if (rank(verdict.outcome) > rank(alone.outcome)) return { ...verdict, split: true };
  }
  return alone;
}

const rank = (outcome: Outcome) => outcome === "block" ? 2 : outcome === "warn" ? 1 : 0;

function judgeAlone(text: string, context: PoachingContext): Verdict {
  const read = text.slice(0, MAX_LENGTH);
  const folded = fold(read), closed = closeUp(folded);
  const found = [folded, ...(closed === undefined ? [] : [closed])].flatMap((folded) =>
    findIn(folded, context).map((find) => placed(find, folded, read))
  );
  return verdictOf(found);
}

function findIn(folded: Folded, context: PoachingContext): Find[] {
  const tokens = tokenise(folded.text), hits = conceptsOf(tokens), keys = findKeys(tokens);
  const phones = findPhones(tokens, hits, context).filter((phone) =>
    !keys.some((key) => key.from < phone.to && key.to > phone.from)
  );
  return [...keys, ...phones, ...findAddresses(tokens, hits, context), ...findPhrases(tokens, hits)];
}

function placed(find: Find, { starts, ends }: Folded, text: string): PoachingFinding {
  const from = starts[find.from] ?? 0, to = ends[find.to - 1] ?? from;
  return { ...find, from, to, redacted: redact(text.slice(from, to)) };
}

/** The strongest finding of each type, and what they come to: independent signs add up, one sign twice does not. */
function verdictOf(found: readonly PoachingFinding[]): Verdict {
  const findings = VIOLATION_TYPES.flatMap((type) => {
    const best = found.filter((finding) => finding.type === type).sort((a, b) => b.score - a.score)[0];
    return best === undefined || best.score < 0.25 ? [] : [best];
  });
  const highest = Math.max(0, ...findings.map(({ score }) => score));
  // Warnings of two types are more than one, and a hold only if each is strong by itself.
  const strong = findings.filter(({ score }) => score >= 0.5).length;
  const score = highest >= BLOCK_FROM || strong < 2
    ? highest
    : Math.min(0.95, highest + 0.1 * (strong - 1) + 0.05);
  const outcome: Outcome = score >= BLOCK_FROM ? "block" : score >= WARN_FROM ? "warn" : "pass";
  const counted = outcome === "pass" ? [] : findings.filter((finding) => finding.score >= WARN_FROM);
  return { outcome, types: counted.map(({ type }) => type), findings: counted, score, split: false };
}

/** A match with everything but its last two letters or digits replaced, cut to forty characters. */
export function redact(match: string): string {
  const characters = [...match];
  let shown = 0;
  for (let i = characters.length - 1; i >= 0; i--) {
    const isSign = /^[\p{L}\p{N}]$/u.test(characters[i]);
    if (isSign && shown < 2 && characters.length > 4) shown++;
    else if (/^\s$/u.test(characters[i])) characters[i] = " ";
    else characters[i] = "•";
  }
  return characters.slice(-40).join("");
}
