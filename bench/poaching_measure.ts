/**
 * How well detection does on labelled texts: precision of what is held, recall of what is held or noted, each
 * with its interval. Pure.
 *
 * @module
 */
import type { PoachingContext } from "../supabase/functions/_shared/masking/poaching/finding.ts";
import { judgeText, type Outcome } from "../supabase/functions/_shared/masking/poaching/judge.ts";

/** One labelled text. */
export interface Labelled {
  readonly violation: boolean;
  readonly lang: string;
  readonly text: string;
}

/** A share with its 95 % interval; all NaN of nothing. */
export interface Share {
  readonly of: number;
  readonly count: number;
  readonly share: number;
  readonly low: number;
  readonly high: number;
}

export interface Measured {
  /** Of the held texts, those that are violations. */
  readonly blockPrecision: Share;
  /** Of the violations, those that are held or noted. */
  readonly recall: Share;
  /** Of the violations, those that are held. */
  readonly blockRecall: Share;
  /** Of the clean texts, those that are noted or held. */
  readonly falseAlarms: Share;
  /** Texts with another outcome than their label asks for: clean and not passed, or violating and passed. */
  readonly wrong: readonly {
    readonly text: string;
    readonly outcome: Outcome;
    readonly rules: readonly string[];
  }[];
}

/**
 * Reads a file of labelled texts: values separated by tabs, the first line names the columns `label`
 * (`violation` or `clean`), `lang` and `text`; others are ignored, and so are lines that begin with `#`.
 * @throws Error for a missing column or an unknown label
 */
export function readLabelled(file: string): Labelled[] {
  const [head, ...lines] = file.split(/\r?\n/).filter((line) => line !== "" && !line.startsWith("#"));
  const columns = (head ?? "").split("\t");
  const [label, lang, text] = ["label", "lang", "text"].map((name) => columns.indexOf(name));
  if (label < 0 || text < 0) throw new Error("the first line does not name the columns label and text");
  return lines.map((line, i) => {
    const cells = line.split("\t");
    if (cells[label] !== "violation" && cells[label] !== "clean") {
      throw new Error(`line ${i + 2}: the label is neither violation nor clean`);
    }
    return { violation: cells[label] === "violation", lang: cells[lang] ?? "", text: cells[text] ?? "" };
  });
}

/** Measures detection, each text on its own. */
export function measurePoaching(texts: readonly Labelled[], context: PoachingContext = {}): Measured {
  const judged = texts.map((labelled) => ({ ...labelled, ...judgeText(labelled.text, context) }));
  const held = judged.filter(({ outcome }) => outcome === "block");
  const bad = judged.filter(({ violation }) => violation),
    clean = judged.filter(({ violation }) => !violation);
  return {
    blockPrecision: wilson(held.filter(({ violation }) => violation).length, held.length),
    recall: wilson(bad.filter(({ outcome }) => outcome !== "pass").length, bad.length),
    blockRecall: wilson(bad.filter(({ outcome }) => outcome === "block").length, bad.length),
    falseAlarms: wilson(clean.filter(({ outcome }) => outcome !== "pass").length, clean.length),
    wrong: judged.filter(({ violation, outcome }) => violation === (outcome === "pass"))
      .map(({ text, outcome, findings }) => ({ text, outcome, rules: findings.map(({ rule }) => rule) })),
  };
}

/** Wilson's score interval at 95 %, which stays between 0 and 1 and is right for shares near them. */
export function wilson(count: number, of: number): Share {
  const z = 1.959964, share = count / of, square = z * z / of;
  const middle = (share + square / 2) / (1 + square);
  const half = z / (1 + square) * Math.sqrt(share * (1 - share) / of + square / (4 * of));
  return { of, count, share, low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}
