/** The embedded analysis on the project's own mails: not worse than the least that is promised, and made from what is there. */
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { measureMails } from "../../bench/analysis_measure.ts";
import { join, ROOT } from "../../lib/paths.ts";
import { CORPUS, readMails, weightsFile } from "../../tools/analysis/train.ts";
import { RULES_VERSION } from "../../supabase/functions/_shared/analysis/weights.ts";

const LANGUAGES = ["en", "es", "fr", "pt", "de"];
const file = Deno.readTextFileSync(CORPUS);
const mails = readMails(file);

Deno.test("corpus: six hundred mails or more, each once, in five languages, each mood in each", () => {
  assert(mails.length >= 600, `${mails.length} mails`);
  assertEquals(
    new Set(mails.map(({ subject, text, lang }) => `${lang} ${subject} ${text}`)).size,
    mails.length,
  );
  for (const lang of LANGUAGES) {
    for (const sentiment of ["positive", "neutral", "negative"]) {
      for (const set of ["train", "kept"]) {
        const count = mails.filter((mail) =>
          mail.lang === lang && mail.set === set && mail.sentiment === sentiment
        ).length;
        assert(count >= 5, `${lang} ${set} ${sentiment}: ${count}`);
      }
    }
  }
});

Deno.test("measureMails(): what is answered is mostly right, on mails that nothing was trained on", () => {
  const { sentiment, urgency } = measureMails(mails.filter(({ set }) => set === "kept"));
  assert(sentiment.right.share >= 0.75 && sentiment.answered.share >= 0.3, JSON.stringify(sentiment));
  assert(urgency.right.share >= 0.75 && urgency.answered.share >= 0.3, JSON.stringify(urgency));
});

Deno.test("weights.ts is made of the mails that are there, and is small", async () => {
  const path = join(ROOT, "supabase", "functions", "_shared", "analysis", "weights.ts");
  const made = await Deno.readTextFile(path);
  assert(made.length < 60_000, `${made.length} bytes`);
  // Exponentials differ in their last digit between processors: versions are compared, and what they say by the test above.
  assert(made.includes(`"${RULES_VERSION}"`));
  const anew = await weightsFile(file);
  assertEquals(anew.length, made.length, "run: deno run -A tools/analysis/train.ts");
});

Deno.test("readMails(): says which line is wrong", () => {
  assertThrows(() => readMails("a\tb\n1\t2"), Error, "columns");
  assertThrows(() => readMails("sentiment\turgency\tsubject\tbody\nfine\tlow\ta\tb"), Error, "line 2");
});
