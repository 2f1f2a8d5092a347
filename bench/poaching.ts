/**
 * `deno task bench poaching [FILE] [--wrong] [--json]`: how well the detection of contact details does on a file
 * of labelled texts, and how long it takes. Without a file, on the project's own, each of its sets apart.
 */
import { join, ROOT } from "../lib/paths.ts";
import { judgeText } from "../supabase/functions/_shared/masking/poaching/judge.ts";
import { print, type Row } from "./report.ts";
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
    for (const set of ["dev", "kept", "late"]) {
      sets[set] = readLabelled(
        file.split("\n").filter((line, i) => i === 0 || line.split("\t")[1] === set).join("\n"),
      );
    }
  }
  for (const lang of LANGUAGES) {
    const texts = sets.all.filter((text) => text.lang === lang);
    if (texts.length > 0) sets[lang] = texts;
  }
  const measured = Object.entries(sets).map(([name, texts]) =>
    [`${name}, ${texts.length} texts`, measurePoaching(texts)] as const
  );
  const began = performance.now();
  for (const { text } of sets.all) judgeText(text);
  const microseconds = (performance.now() - began) * 1000 / Math.max(1, sets.all.length);
  const rows = [
    ...measured.flatMap(([name, result]) => rowsOf(name, result)),
    { what: "a text, microseconds", value: microseconds },
  ];
  print("poaching", path ?? "the project's own texts; with intervals of 95 %", rows, args.includes("--json"));
  if (args.includes("--wrong")) {
    for (const { text, outcome, rules } of measured[0][1].wrong) {
      console.log(`${outcome}  ${text}  ${rules.join(", ")}`);
    }
  }
}

function rowsOf(name: string, { blockPrecision, recall, blockRecall, falseAlarms }: Measured): Row[] {
  const row = (what: string, { share, low, high, count, of }: Share, goal?: string): Row => ({
    what: `${name}: ${what}, % (${percent(low)} to ${percent(high)}; ${count} of ${of})`,
    value: 100 * share,
    ...(goal !== undefined && { goal }),
  });
  return [
    row("precision of held texts", blockPrecision, ">= 95"),
    row("recall of held or noted texts", recall, ">= 85"),
    row("recall of held texts", blockRecall),
    row("clean texts held or noted", falseAlarms),
  ];
}

const percent = (share: number) => (100 * share).toFixed(1);
