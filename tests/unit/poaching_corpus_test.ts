/** Detection of contact details on the project's own texts: not worse than the least that is promised. */
import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import { join, ROOT } from "../../lib/paths.ts";
import { measurePoaching, readLabelled, wilson } from "../../bench/poaching_measure.ts";

const CORPUS = join(ROOT, "tests", "fixtures", "poaching", "corpus.tsv");
const LANGUAGES = ["en", "es", "fr", "pt", "de"];
const file = Deno.readTextFileSync(CORPUS);
const ofSet = (set: string) =>
  readLabelled(file.split("\n").filter((line, i) => i === 0 || line.split("\t")[1] === set).join("\n"));

Deno.test("corpus: four hundred texts or more, each once, in five languages, of both labels", () => {
  const texts = readLabelled(file);
  assert(texts.length >= 400, `${texts.length} texts`);
  assertEquals(new Set(texts.map(({ text }) => text)).size, texts.length);
  for (const lang of LANGUAGES) {
    for (const violation of [true, false]) {
      assert(texts.filter((text) => text.lang === lang && text.violation === violation).length >= 40, lang);
    }
  }
});

for (const set of ["dev", "kept", "late"]) {
  Deno.test(`measurePoaching(): precision of what is held and recall on the set ${set}`, () => {
    const { blockPrecision, recall, falseAlarms, wrong } = measurePoaching(ofSet(set));
    const shown = wrong.map(({ outcome, text }) => `${outcome}: ${text}`).join("\n");
    assert(blockPrecision.share >= 0.95, shown);
    assert(recall.share >= 0.9, shown);
    assert(falseAlarms.share <= 0.1, shown);
  });
}

Deno.test("measurePoaching(): each language by itself", () => {
  for (const lang of LANGUAGES) {
    const { blockPrecision, recall } = measurePoaching(
      readLabelled(file).filter((text) => text.lang === lang),
    );
    assert(
      blockPrecision.share >= 0.95 && recall.share >= 0.9,
      `${lang}: ${blockPrecision.share}, ${recall.share}`,
    );
  }
});

Deno.test("wilson(): intervals as published", () => {
  const round = (value: number) => Math.round(value * 1000) / 1000;
  // Agresti and Coull 1998, and the score interval's own formula at the ends.
  assertEquals([round(wilson(0, 10).low), round(wilson(0, 10).high)], [0, 0.278]);
  assertEquals([round(wilson(10, 10).low), round(wilson(10, 10).high)], [0.722, 1]);
  assertEquals([round(wilson(50, 100).low), round(wilson(50, 100).high)], [0.404, 0.596]);
});

Deno.test("readLabelled(): says which line is wrong", () => {
  assertThrows(() => readLabelled("a\tb\n1\t2"), Error, "columns");
  assertThrows(() => readLabelled("label\tlang\ttext\nclean\ten\ta\nbad\ten\tb"), Error, "line 3");
});
