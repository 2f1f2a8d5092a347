/**
 * `deno run -A tools/analysis/train.ts` trains the embedded classifier on the `train` part of the labelled mails in
 * `tests/fixtures/analysis` and writes `supabase/functions/_shared/analysis/weights.ts`. The same mails give the same weights.
 * tests/unit/analysis_corpus_test.ts compares the file with the mails.
 */
import { join, ROOT } from "../../lib/paths.ts";
import {
  BUCKETS,
  createClassifier,
  featuresOf,
  softmax,
  type Weights,
} from "../../supabase/functions/_shared/analysis/classifier.ts";
import { SENTIMENTS, URGENCIES } from "../../supabase/functions/_shared/analysis/types.ts";

/** The labelled mails. */
export const CORPUS: string = join(ROOT, "tests", "fixtures", "analysis", "corpus.tsv");
const WEIGHTS = join(ROOT, "supabase", "functions", "_shared", "analysis", "weights.ts");

/** One labelled mail. */
export interface LabelledMail {
  readonly set: string;
  readonly sentiment: string;
  readonly urgency: string;
  readonly lang: string;
  readonly subject: string;
  readonly text: string;
}

/**
 * Reads labelled mails: values separated by tabs, the first line names the columns `sentiment`, `urgency`, `subject` and `body`
 * (or `text`), and `lang` and `set` if there are any; `\n` in a text is a line break. Lines that begin with `#` are ignored.
 * @throws Error for a missing column or an unknown label
 */
export function readMails(file: string): LabelledMail[] {
  const [head, ...lines] = file.split(/\r?\n/).filter((line) => line !== "" && !line.startsWith("#"));
  const columns = (head ?? "").split("\t");
  const at = (...names: string[]) => columns.findIndex((column) => names.includes(column));
  const [sentiment, urgency, subject, text, lang, set] = [
    at("sentiment"),
    at("urgency"),
    at("subject"),
    at("body", "text"),
    at("lang"),
    at("set"),
  ];
  if ([sentiment, urgency, subject, text].some((column) => column < 0)) {
    throw new Error("the first line does not name the columns sentiment, urgency, subject and body");
  }
  return lines.map((line, i) => {
    const cells = line.split("\t");
    const mail = {
      set: cells[set] ?? "",
      sentiment: cells[sentiment],
      urgency: cells[urgency],
      lang: cells[lang] ?? "",
      subject: cells[subject] ?? "",
      text: (cells[text] ?? "").replaceAll("\\n", "\n"),
    };
    if (!SENTIMENTS.some((each) => each === mail.sentiment)) {
      throw new Error(`line ${i + 2}: unknown sentiment`);
    }
    if (!URGENCIES.some((each) => each === mail.urgency)) throw new Error(`line ${i + 2}: unknown urgency`);
    return mail;
  });
}

type Example = { features: ReadonlyMap<number, number>; label: number };

const ROUNDS = 60;
const RATE = 0.5;
const SHRINK = 4e-5;

/** Trains by Adagrad with L2, classes weighted by the root of their rarity. The order is fixed. */
export function train<Label extends string>(
  mails: readonly LabelledMail[],
  labels: readonly Label[],
  labelOf: (mail: LabelledMail) => string,
  least: number,
): Weights<Label> {
  const examples: Example[] = mails.map((mail) => ({
    features: featuresOf(mail.subject, mail.text),
    label: labels.findIndex((label) => label === labelOf(mail)),
  }));
  const counts = labels.map((_, i) => examples.filter(({ label }) => label === i).length);
  const rarity = counts.map((count) => Math.sqrt(examples.length / labels.length / Math.max(1, count)));
  const weights = labels.map(() => new Float64Array(BUCKETS)),
    squares = labels.map(() => new Float64Array(BUCKETS));
  const bias = labels.map(() => 0), biasSquares = labels.map(() => 0);
  const order = examples.map((_, i) => i);
  let seed = 20261130;
  const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = order.length - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    for (const index of order) {
      const { features, label } = examples[index];
      const scores = labels.map((_, k) => {
        let score = bias[k];
        for (const [bucket, value] of features) score += weights[k][bucket] * value;
        return score;
      });
      const probabilities = softmax(scores);
      for (let k = 0; k < labels.length; k++) {
        const error = (probabilities[k] - (k === label ? 1 : 0)) * rarity[label];
        biasSquares[k] += error * error;
        bias[k] -= RATE * error / Math.sqrt(1 + biasSquares[k]);
        for (const [bucket, value] of features) {
          const slope = error * value + SHRINK * weights[k][bucket];
          squares[k][bucket] += slope * slope;
          weights[k][bucket] -= RATE * slope / Math.sqrt(1e-3 + squares[k][bucket]);
        }
      }
    }
  }
  let most = 0;
  for (const row of weights) for (const weight of row) most = Math.max(most, Math.abs(weight));
  const scale = most / 127;
  const bytes = weights.flatMap((row) => Array.from(row, (weight) => Math.round(weight / scale) & 255));
  let table = "";
  for (let i = 0; i < bytes.length; i += 3000) table += String.fromCharCode(...bytes.slice(i, i + 3000));
  return { labels, table: btoa(table), scale: rounded(scale), bias: bias.map(rounded), least };
}

const rounded = (value: number) => Number(value.toPrecision(6));

/**
 * Least probability for an answer, chosen by cross-validation within the mails that it learns from: the smallest for which the
 * answers are right as often as wished.
 */
export function leastProbability<Label extends string>(
  mails: readonly LabelledMail[],
  labels: readonly Label[],
  labelOf: (mail: LabelledMail) => string,
  wished: number,
): number {
  const folds = 5;
  const guesses = Array.from({ length: folds }, (_, fold) => {
    const classify = createClassifier(train(mails.filter((_, i) => i % folds !== fold), labels, labelOf, 0));
    return mails.filter((_, i) => i % folds === fold).map((mail) => {
      const guess = classify(featuresOf(mail.subject, mail.text));
      return { probability: guess.probability, right: guess.label === labelOf(mail) };
    });
  }).flat();
  for (let least = 0.34; least < 0.9; least += 0.02) {
    const answered = guesses.filter(({ probability }) => probability >= least);
    if (answered.filter(({ right }) => right).length >= wished * answered.length) return rounded(least);
  }
  return 0.9;
}

/** The text of `weights.ts`. */
export async function weightsFile(corpus: string): Promise<string> {
  const mails = readMails(corpus).filter(({ set }) => set === "train");
  const sentiment = train(
    mails,
    SENTIMENTS,
    (mail) => mail.sentiment,
    leastProbability(mails, SENTIMENTS, (mail) => mail.sentiment, 0.8),
  );
  const urgency = train(
    mails,
    URGENCIES,
    (mail) => mail.urgency,
    leastProbability(mails, URGENCIES, (mail) => mail.urgency, 0.78),
  );
  const digest = new Uint8Array(
    await crypto.subtle.digest("SHA-256", new TextEncoder().encode(sentiment.table + urgency.table)),
  );
  const version = Array.from(digest.slice(0, 4), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const literal = (name: string, { labels, table, scale, bias, least }: Weights<string>) =>
    `export const ${name} = {\n  labels: ${JSON.stringify(labels)} as const,\n  scale: ${scale},\n  bias: ${
      JSON.stringify(bias)
    },\n  least: ${least},\n` +
    `  table:\n    "${table}",\n};\n`;
  return `/**
 * Weights of the embedded classifier. Made by \`deno run -A tools/analysis/train.ts\`; do not edit.
 *
 * @module
 */
// deno-fmt-ignore-file

/** Version of rules and weights. */
export const RULES_VERSION = "1-${version}";
/** Moods. */
${literal("SENTIMENT", sentiment)}/** Urgencies. */
${literal("URGENCY", urgency)}`;
}

if (import.meta.main) {
  await Deno.writeTextFile(WEIGHTS, await weightsFile(await Deno.readTextFile(CORPUS)));
}
