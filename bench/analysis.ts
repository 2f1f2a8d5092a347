/**
 * `deno task bench analysis [--corpus FILE] [--wrong] [--json]`: how well the embedded rules and classifier do on labelled
 * mails, and how long they take. Without a file, on the part of the project's own mails that nothing was trained on.
 */
import { CORPUS, readMails } from "../tools/analysis/train.ts";
import { SENTIMENTS, URGENCIES } from "../supabase/functions/_shared/analysis/types.ts";
import { type MeasuredLabel, measureMails } from "./analysis_measure.ts";
import type { Share } from "./poaching_measure.ts";
import { print, type Row } from "./report.ts";

const LANGUAGES = ["en", "es", "fr", "pt", "de"];

export async function main(args: string[]): Promise<void> {
  const at = args.indexOf("--corpus");
  const path = at >= 0 ? args[at + 1] : undefined;
  const all = readMails(await Deno.readTextFile(path ?? CORPUS));
  const mails = path === undefined ? all.filter(({ set }) => set === "kept") : all;
  const sets = [
    ["all", mails] as const,
    ...LANGUAGES.map((lang) => [lang, mails.filter((mail) => mail.lang === lang)] as const),
  ];
  // Once before the clock starts: weights are read at first use.
  const whole = measureMails(mails);
  const began = performance.now();
  measureMails(mails);
  const rows: Row[] = sets.filter(([, set]) => set.length > 0).flatMap(([name, set]) => {
    const { sentiment, urgency } = measureMails(set);
    return [
      ...rowsOf(`${name}, ${set.length} mails: sentiment`, sentiment),
      ...rowsOf(`${name}, ${set.length} mails: urgency`, urgency),
    ];
  });
  rows.push({
    what: "a mail, microseconds",
    value: (performance.now() - began) * 1000 / Math.max(1, mails.length),
  });
  print(
    "analysis",
    `${path ?? "the project's own mails that nothing was trained on"}; with intervals of 95 %`,
    rows,
    args.includes("--json"),
  );
  if (args.includes("--json")) return;
  for (
    const [name, labels, { confusion }] of [["sentiment", SENTIMENTS, whole.sentiment], [
      "urgency",
      URGENCIES,
      whole.urgency,
    ]] as const
  ) {
    console.log(`\n${name}: label \\ answer\t${[...labels, "none"].join("\t")}`);
    confusion.forEach((row, i) => console.log(`${labels[i]}\t${row.join("\t")}`));
  }
  if (args.includes("--wrong")) {
    for (const { mail, sentiment, urgency } of whole.wrong) {
      console.log(
        `${mail.sentiment}/${mail.urgency} -> ${sentiment}/${urgency}\t${mail.subject} | ${
          mail.text.slice(0, 100)
        }`,
      );
    }
  }
}

function rowsOf(name: string, { right, answered, rightOfAll }: MeasuredLabel): Row[] {
  const row = (what: string, { share, low, high, count, of }: Share): Row => ({
    what: `${name}: ${what}, % (${percent(low)} to ${percent(high)}; ${count} of ${of})`,
    value: 100 * share,
  });
  return [row("right of those answered", right), row("answered", answered), row("right of all", rightOfAll)];
}

const percent = (share: number) => (100 * share).toFixed(1);
