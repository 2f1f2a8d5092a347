/** Detection takes time in proportion to the length of a text, whatever somebody sends. */
import { assertLinear } from "../support/growth.ts";
import { judgeText, MAX_LENGTH } from "../../supabase/functions/_shared/masking/poaching/judge.ts";

const HOSTILE = [
  "1",
  "a",
  " ",
  ".",
  "@",
  "1 ",
  "1.",
  "1-",
  "a.",
  "a b ",
  "at ",
  "dot ",
  "five",
  "five ",
  "und",
  "(at)",
  "a@a.",
  "me ",
  "my number ",
  "insta ",
  "without the app ",
  "1/1/",
  "é",
  "🐶",
  "𝟎",
  "\u200b",
  "-1a",
  "@a",
  "$a",
  "no ",
  "@@..",
  "a1_.",
  "venmo pay me cash ",
  "de00",
];

for (const unit of HOSTILE) {
  Deno.test(`judgeText(): linear for ${JSON.stringify(unit)}`, async () => {
    const text = (length: number) => unit.repeat(Math.ceil(length / unit.length)).slice(0, length);
    // Each several times: a single one takes too short to be measured.
    await assertLinear(MAX_LENGTH / 8, (length) => {
      for (let i = 0; i < 10; i++) judgeText(text(length));
    });
  });
}

Deno.test("judgeText(): linear with earlier texts", async () => {
  await assertLinear(MAX_LENGTH / 8, (length) => {
    for (let i = 0; i < 10; i++) {
      judgeText("1 a ".repeat(length / 4), {}, ["1 ".repeat(length / 2), "a.b ", "202"]);
    }
  });
});
