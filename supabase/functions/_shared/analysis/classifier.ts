/**
 * The embedded classifier: multinomial logistic regression on hashed words, pairs of words and groups of letters, without
 * network and in a millisecond. It abstains where it is not sure. Pure.
 *
 * Its weights are made by `deno run -A tools/analysis/train.ts` from the labelled mails of `tests/fixtures/analysis`; how well
 * it does is printed by `deno task bench analysis`.
 *
 * @module
 */
import { folded } from "./urgency.ts";

/** Number of buckets that features are hashed into. */
export const BUCKETS = 4096;
/** Characters that are looked at: who complains does so at the beginning. */
const LOOKED_AT = 800;

/** A trained model of one label. */
export interface Weights<Label extends string> {
  readonly labels: readonly Label[];
  /** Of each label its bias, then of each label its {@link BUCKETS} weights, as signed bytes in base64. */
  readonly table: string;
  /** What one step of a byte stands for. */
  readonly scale: number;
  readonly bias: readonly number[];
  /** Below this probability it abstains. */
  readonly least: number;
}

/** What it says. */
export interface Guess<Label extends string> {
  readonly label: Label;
  /** 0 to 1. */
  readonly probability: number;
}

/** Features of a mail as buckets with their values; the vector has length 1. */
export function featuresOf(subject: string, text: string): Map<number, number> {
  const features = new Map<number, number>();
  add(features, "s", folded(subject).slice(0, 150), 1.5);
  add(features, "t", folded(text).slice(0, LOOKED_AT), 1);
  // What only capitals and signs say.
  const raw = `${subject} ${text.slice(0, LOOKED_AT)}`;
  const letters = raw.replace(/[^\p{L}]/gu, "");
  if (letters.length > 12 && letters === letters.toUpperCase() && letters !== letters.toLowerCase()) {
    put(features, "~capitals", 2);
  }
  for (const [sign, found] of SIGNS) if (found.test(raw)) put(features, sign, 1);
  let square = 0;
  for (const value of features.values()) square += value * value;
  const length = Math.sqrt(square) || 1;
  for (const [bucket, value] of features) features.set(bucket, value / length);
  return features;
}

const SIGNS: readonly (readonly [string, RegExp])[] = [
  ["~question", /\?/],
  ["~exclaims", /!/],
  ["~shouts", /!!/],
  [
    "~smiles",
    /[:;]-?[)D]|[\u{1F600}-\u{1F60D}\u{1F642}\u{1F44D}\u{1F389}\u{2764}\u{1F64F}\u{1F970}\u{1F44F}]/u,
  ],
  ["~frowns", /:-?[(/]|[\u{1F61E}-\u{1F62B}\u{1F620}-\u{1F624}\u{1F62D}\u{1F641}\u{1F44E}\u{1F92C}]/u],
];

/** Words that turn what comes after them. */
const NEGATIONS = new Set(
  ("not,no,never,nothing,isn't,wasn't,doesn't,don't,didn't,can't,cannot,won't,without,nada,nunca,sin,ni,ne,pas,jamais,rien,sans,nao,nem,sem,nicht,kein,keine,keinen,nie,nichts,ohne")
    .split(","),
);

function add(features: Map<number, number>, place: string, text: string, weight: number): void {
  const words = text.match(/[\p{L}']+|\d+|%/gu) ?? [];
  let before = "", turned = 0;
  for (const word of words) {
    const shape = /^\d/.test(word) ? "#" : word;
    put(features, shape, weight);
    if (turned > 0) put(features, `!${shape}`, weight);
    if (before !== "") put(features, `${before} ${shape}`, weight);
    turned = NEGATIONS.has(word) ? 3 : turned - 1;
    before = shape;
    if (shape.length >= 4) {
      const padded = `<${shape.slice(0, 20)}>`;
      for (let i = 0; i + 4 <= padded.length; i++) put(features, `_${padded.slice(i, i + 4)}`, weight * 0.4);
    }
  }
  if (words.length === 0) put(features, `~empty ${place}`, 1);
}

function put(features: Map<number, number>, feature: string, value: number): void {
  // FNV-1a; which of two features of a bucket it is, the sign tells half of the time.
  let hash = 0x811c9dc5;
  for (let i = 0; i < feature.length; i++) hash = Math.imul(hash ^ feature.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  hash ^= hash >>> 13;
  const bucket = (hash >>> 0) % BUCKETS;
  features.set(bucket, (features.get(bucket) ?? 0) + (hash & 0x40000000 ? value : -value));
}

/** Probabilities of labels from their scores. */
export function softmax(scores: readonly number[]): number[] {
  const most = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - most));
  const sum = powers.reduce((one, other) => one + other, 0);
  return powers.map((power) => power / sum);
}

/** Reads weights once; a function that says what a mail most probably is. */
export function createClassifier<Label extends string>(
  weights: Weights<Label>,
): (features: ReadonlyMap<number, number>) => Guess<Label> {
  const { labels, table, scale, bias } = weights;
  const bytes = Int8Array.from(atob(table), (character) => character.charCodeAt(0));
  return (features) => {
    const scores = labels.map((_, i) => {
      let score = bias[i];
      for (const [bucket, value] of features) score += bytes[i * BUCKETS + bucket] * scale * value;
      return score;
    });
    const probabilities = softmax(scores);
    const best = probabilities.indexOf(Math.max(...probabilities));
    return { label: labels[best], probability: probabilities[best] };
  };
}
