/**
 * `deno task bench poaching [FILE] [--wrong] [--json]`: how well the detection of contact details does on a file
 * of labelled texts, and how long it takes. Without a file, on the project's own, each of its sets apart.
 */
import { join, ROOT } from "../lib/paths.ts";
import { judgeText } from "../supabase/functions/_shared/masking/poaching/judge.ts";
import {
  type Labelled,
  type Measured,
  measurePoaching,
  readLabelled,
  type Share,
} from "./poaching_measure.ts";

const OWN = join(ROOT, "tests", "fixtures", "poaching", "corpus.tsv");
const LANGUAGES = ["en", "es", "fr", "pt", "de"];

export async function main(args: string[]): Promise<void> {
  const path = args.find((arg) => !arg.startsWith("--"));
  const file = await Deno.readTextFile(path ?? OWN);
  const sets: Record<string, Labelled[]> = { all: readLabelled(file) };
  if (path === undefined) {
    for (const set of ["dev", "kept"]) {
      sets[set] = readLabelled(
        file.split("\n").filter((line, i) => i === 0 || line.split("\t")[1] === set).join("\n"),
      );
    }
  }
  for (const lang of LANGUAGES) {
    const texts = sets.all.filter((text) => text.lang === lang);
    if (texts.length > 0) sets[lang] = texts;
  }
  const measured = Object.fromEntries(
    Object.entries(sets).map(([name, texts]) => [name, { texts: texts.length, ...measurePoaching(texts) }]),
  );
  const began = performance.now();
  for (const { text } of sets.all) judgeText(text);
  const microseconds = Math.round((performance.now() - began) * 1000 / Math.max(1, sets.all.length));
  if (args.includes("--json")) {
    console.log(JSON.stringify({ measured, microseconds }));
    return;
  }
  for (const [name, result] of Object.entries(measured)) print(name, result);
  console.log(`\n${microseconds} µs a text`);
  if (args.includes("--wrong")) {
    for (const { text, outcome, rules } of measured.all.wrong) {
      console.log(`${outcome}  ${text}  ${rules.join(", ")}`);
    }
  }
}

function print(
  name: string,
  { texts, blockPrecision, recall, blockRecall, falseAlarms }: Measured & { texts: number },
): void {
  console.log(`\n${name}, ${texts} texts`);
  const line = (what: string, { share, low, high, count, of }: Share) =>
    console.log(
      `  ${what.padEnd(34)} ${share.toFixed(3)}  (${low.toFixed(3)} to ${
        high.toFixed(3)
      }; ${count} of ${of})`,
    );
  line("precision of held texts", blockPrecision);
  line("recall of held or noted texts", recall);
  line("recall of held texts", blockRecall);
  line("clean texts held or noted", falseAlarms);
}
