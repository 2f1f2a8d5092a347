import { assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { MAX_TEXT, normalise } from "../contract/routing/normalise.ts";
import { fold, holdsWord, viewOf } from "./text.ts";
import { message } from "../../../../tests/support/routing_samples.ts";
import { holds } from "../../../../tests/support/property.ts";

const same = (a: string, b: string) => fold(normalise(a)) === fold(normalise(b));

Deno.test("normalise() and fold() unify what looks the same", () => {
  const pairs: [string, string][] = [
    ["Straße", "STRASSE"],
    ["İPTAL", "iptal"],
    ["ΟΔΟΣ", "οδοσ"],
    ["cafe\u0301", "café"],
    ["ｈｅｌｌｏ", "hello"],
    ["  stop \n please ", "Stop please"],
    ["❤\ufe0f", "❤"],
    ["\u200fמחיר\u200e", "מחיר"],
    ["مرحبًا", "مرحبًا"],
    ["①", "1"],
  ];
  for (const [a, b] of pairs) assertEquals(same(a, b), true, `${a} = ${b}`);
  for (const [a, b] of [["menü", "menu"], ["می\u200cخواهم", "میخواهم"], ["0", "o"]]) {
    assertEquals(same(a, b), false, `${a} and ${b} differ`);
  }
});

Deno.test("normalise() is idempotent and reads at most MAX_TEXT units", () => {
  holds(fc.property(fc.string({ unit: "binary" }), (text) => {
    const once = normalise(text);
    assertEquals(normalise(once), once);
    assertEquals(fold(fold(once)), fold(once));
  }));
  assertEquals(normalise("a".repeat(MAX_TEXT + 1)).length, MAX_TEXT);
  assertEquals(normalise("\ufdfa".repeat(MAX_TEXT)).length <= MAX_TEXT, true);
});

Deno.test("holdsWord() finds whole words in any script", () => {
  const cases: [text: string, keyword: string, holds: boolean][] = [
    ["stop", "stop", true],
    ["please stop!", "stop", true],
    ["*stop* now", "stop", true],
    ["_stop_", "stop", true],
    ["stopped", "stop", false],
    ["nonstop", "stop", false],
    ["nonstop stop", "stop", true],
    ["stop2", "stop", false],
    ["l'aide", "aide", true],
    ["opening hours?", "opening hours", true],
    ["reopening hours", "opening hours", false],
    ["я хочу возврат.", "возврат", true],
    ["возвратный", "возврат", false],
    ["أريد إلغاء الطلب", "إلغاء", true],
    ["मुझे मदद चाहिए", "मदद", true],
    ["मददगार", "मदद", false],
    ["cafés", "café", false],
    ["我要退款", "退款", true],
    ["東京都に行く", "東京", true],
    ["東京都に行く", "京都", false],
    ["ดีมากครับ", "มา", false],
    ["ดีมากครับ", "มาก", true],
    ["退款refund", "refund", true],
    ["退款refund", "退款", true],
    ["thanks 👍🏽", "👍", true],
    ["c++11", "c++", true],
    ["𝒳stop", "stop", false],
    ["😀stop", "stop", true],
    ["x", "", false],
    ["", "x", false],
  ];
  for (const [text, keyword, holds] of cases) {
    assertEquals(holdsWord(text, keyword), holds, `"${text}" holds "${keyword}"`);
  }
});

Deno.test("holdsWord() finds a word between any text and a space, and never within letters", () => {
  holds(fc.property(
    fc.string({ unit: "grapheme" }),
    fc.constantFrom("stop", "возврат", "退款", "มาก", "c++"),
    fc.string({ unit: "grapheme" }),
    (left, keyword, right) => {
      assertEquals(holdsWord(normalise(`${left} ${keyword} ${right}`), keyword), true);
    },
  ));
  holds(fc.property(fc.stringMatching(/^[a-z0-9]{1,9}$/), (glue) => {
    fc.pre(!glue.includes("q"));
    assertEquals(holdsWord(`${glue}qu`, "qu"), false);
    assertEquals(holdsWord(`qu${glue}`, "qu"), false);
  }));
});

Deno.test("viewOf() is created once per message and is undefined without a body", () => {
  const one = message({ body: " Hi\u200b " });
  assertEquals(viewOf(one), { exact: "Hi", folded: "HI" });
  assertEquals(viewOf(one) === viewOf(one), true);
  assertEquals(viewOf(message({ body: undefined })), undefined);
});
