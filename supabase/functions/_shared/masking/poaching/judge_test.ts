import fc from "fast-check";
import { assert, assertEquals } from "../../../../../tests/support/assert.ts";
import { holds } from "../../../../../tests/support/property.ts";
import { closeUp, fold } from "./fold.ts";
import { BLOCK_FROM, judgeText, redact, WARN_FROM } from "./judge.ts";
import { possible } from "./plans.ts";
import { spokenNumbers } from "./spoken.ts";
import { tokenise } from "./tokens.ts";

/** Ten digits of a number of North America that is kept for fiction. */
const fictional = fc.tuple(fc.constantFrom("202", "312", "646", "773"), fc.integer({ min: 100, max: 199 }))
  .map(([area, line]) => `${area}5550${line}`);

Deno.test("fold(): digits of every script have their value", () => {
  for (
    const [text, digits] of [
      ["０１２３４５６７８９", "0123456789"],
      ["٠١٢٣٤٥٦٧٨٩", "0123456789"],
      ["०१२३४५६७८९", "0123456789"],
      ["๐๑๒๓๔๕๖๗๘๙", "0123456789"],
      ["𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗", "0123456789"],
      ["𝟬𝟭𝟮𝟯𝟰𝟱𝟲𝟳𝟴𝟵", "0123456789"],
      ["0️⃣1️⃣2️⃣", "012"],
      ["⓪①②③", "0123"],
      ["⓿❶❷❸", "⓿123".replace("⓿", "0")],
    ]
  ) assertEquals(fold(text).text, digits, text);
});

Deno.test("fold(): each unit leads to the character that it came from", () =>
  holds(
    fc.property(fc.string({ unit: "binary", maxLength: 60 }), (text) => {
      const { text: folded, starts, ends } = fold(text);
      assertEquals([starts.length, ends.length], [folded.length, folded.length]);
      for (let i = 0; i < folded.length; i++) {
        assert(starts[i] >= 0 && starts[i] < ends[i] && ends[i] <= text.length);
        assert(i === 0 || starts[i] >= starts[i - 1]);
      }
    }),
    { cases: 500 },
  ));

Deno.test("closeUp(): joins what is spaced out, and nothing else", () => {
  const closed = (text: string) => closeUp(fold(text))?.text;
  assertEquals(closed("d a n a @ e x a m p l e . o r g"), "dana@example.org");
  assertEquals(closed("f-i-v-e six"), "five six");
  assertEquals(closed("call n.o.r.a now"), "call nora now");
  for (const text of ["a b c", "it is a dog", "1 2 3 4 5", "I am at 5"]) {
    assertEquals(closed(text), undefined, text);
  }
});

Deno.test("tokenise(): an elided word is a word of its own, a contraction is one word", () => {
  assertEquals(tokenise("l'agence what's 9h30").map(({ text }) => text), [
    "l",
    "agence",
    "whats",
    "9",
    "h",
    "30",
  ]);
});

Deno.test("spokenNumbers(): numbers of five languages, also without spaces", () => {
  for (
    const [word, numbers] of [
      ["fivefivefive", [5, 5, 5]],
      ["fortyfour", [40, 4]],
      ["einundzwanzig", [21]],
      ["einhundertfunfundzwanzig", [1, 100, 5, 20]],
      ["seiscero", [6, 0]],
      ["someone", undefined],
      ["sixth", undefined],
    ] as const
  ) assertEquals(spokenNumbers(word), numbers === undefined ? undefined : [...numbers], word);
});

Deno.test("possible(): by plan of the countries, with their prefixes", () => {
  for (
    const [digits, abroad, countries, answer] of [
      ["2025550143", false, ["US"], "national"],
      ["1025550143", false, ["US"], "none"],
      ["12025550143", true, [], "international"],
      ["5550143", false, ["US"], "local"],
      ["0639981234", false, ["FR"], "national"],
      ["639981234", false, ["FR"], "none"],
      ["0033639981234", false, [], "international"],
      ["600000012", false, ["ES"], "national"],
      ["600000012", false, ["DE"], "none"],
      ["11900000023", false, ["BR"], "national"],
      ["03023125042", false, ["DE"], "national"],
      ["999", true, ["US"], "none"],
    ] as const
  ) assertEquals(possible(digits, abroad, countries), answer, digits);
});

Deno.test("judgeText(): a phone number is held however its digits are separated", () =>
  holds(
    fc.property(
      fictional,
      fc.constantFrom(" ", "-", ".", " - ", "*", "_", "\u200b", "…", " . ", "/", "~", "|"),
      fc.constantFrom([3, 3, 4], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1], [3, 7], [2, 2, 2, 2, 2], [10]),
      (digits, gap, groups) => {
        let at = 0;
        const text = groups.map((size) => digits.slice(at, at += size)).join(gap);
        assertEquals([text, judgeText(`it is ${text} ok`).outcome], [text, "block"]);
      },
    ),
    { cases: 300 },
  ));

const NAMES = {
  en: ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
  es: ["cero", "uno", "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve"],
  fr: ["zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"],
  pt: ["zero", "um", "dois", "três", "quatro", "cinco", "meia", "sete", "oito", "nove"],
  de: ["null", "eins", "zwo", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"],
};

Deno.test("judgeText(): a phone number is held in words of five languages, and mixed with figures", () =>
  holds(
    fc.property(
      fictional,
      fc.constantFrom(...Object.values(NAMES)),
      fc.constantFrom(" ", ", ", "-", "/"),
      fc.integer({ min: 0, max: 1023 }),
      (digits, names, gap, figures) => {
        const text = [...digits].map((digit, i) => (figures >> i) & 1 ? digit : names[Number(digit)]).join(
          gap,
        );
        // Alternating figures with commas are a list; one figure in words makes it a number.
        if (gap === ", " && figures.toString(2).replaceAll("0", "").length > 5) return;
        assertEquals([text, judgeText(text).outcome], [text, "block"]);
      },
    ),
    { cases: 300 },
  ));

Deno.test("judgeText(): what an organisation allows passes, its own numbers among it", () => {
  const context = { allowedNumbers: ["+1 202 555 0143"], allowedHosts: ["moss.example"] };
  for (
    const text of [
      "call (202) 555-0143",
      "+12025550143",
      "see https://help.moss.example/a",
      "write to desk@moss.example",
    ]
  ) {
    assertEquals([text, judgeText(text, context).outcome], [text, "pass"]);
    assert(judgeText(text).outcome !== "pass", text);
  }
  assertEquals(judgeText("call (202) 555-0144", context).outcome, "block");
});

Deno.test("judgeText(): a number spread over texts is found with its last part", () => {
  for (
    const [earlier, last] of [
      [["202 555"], "0143"],
      [["202", "555"], "0143"],
      [["it starts with 202", "then 555"], "0143"],
      [["two oh two five"], "five five oh one four three"],
      [["dana.walker at"], "example dot com"],
    ] as const
  ) {
    const alone = judgeText(last), verdict = judgeText(last, {}, earlier);
    assert(alone.outcome !== "block", last);
    assertEquals([last, verdict.outcome !== "pass", verdict.split], [last, true, true]);
  }
  // What the earlier text showed by itself is not held against the next one.
  assertEquals(judgeText("see you at 5", {}, ["call me at 202 555 0143"]).outcome, "pass");
  assertEquals(judgeText("ok", {}, ["202", "555", "0143"]).outcome, "pass");
  assertEquals(judgeText("and 9", {}, ["he ate at 7", "then at 8"]).outcome, "pass");
});

Deno.test("judgeText(): findings lie within the text, and their words are gone but for two characters", () =>
  holds(
    fc.property(
      fc.array(
        fc.oneof(
          fc.string({ unit: "binary", maxLength: 8 }),
          fictional,
          fc.constantFrom(
            "insta @dana_walks",
            "dana@example.org",
            "venmo me",
            "skip the agency and book me",
            "dot",
            "at",
            " ",
          ),
        ),
        { maxLength: 8 },
      ),
      (parts) => {
        const text = parts.join(" "), { outcome, findings, score, types } = judgeText(text);
        assertEquals(outcome, score >= BLOCK_FROM ? "block" : score >= WARN_FROM ? "warn" : "pass");
        assertEquals(types.length, findings.length);
        for (const { from, to, redacted } of findings) {
          assert(from >= 0 && from < to && to <= text.length, `${from} to ${to} of ${text.length}`);
          assert([...redacted].filter((sign) => /[\p{L}\p{N}]/u.test(sign)).length <= 2, redacted);
        }
      },
    ),
    { cases: 500 },
  ));

Deno.test("redact(): two characters at most are left", () => {
  assertEquals(redact("202-555-0143"), "••••••••••43");
  assertEquals(redact("dana@example.org"), "••••••••••••••rg");
  assertEquals(redact("abc"), "•••");
});
