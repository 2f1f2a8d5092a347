/** Figures beside those of the span before, in words. */
import { assertEquals } from "../support/assert.ts";
import { comparedInWords, lengthInWords } from "../../admin/src/words/spans.ts";
import { readSpan, writeSpan } from "../../admin/src/ui/span_text.ts";

Deno.test("comparedInWords() says more, fewer, as many, or how many times as many", () => {
  const cases: [now: number, before: number, words: string][] = [
    [340, 303, "340 in, 12 % more than in the hour before (303)"],
    [10, 40, "10 in, 75 % fewer than in the hour before (40)"],
    [0, 40, "0 in, 100 % fewer than in the hour before (40)"],
    [1200, 100, "1,200 in, 12 times as many as in the hour before (100)"],
    [45, 10, "45 in, 4.5 times as many as in the hour before (10)"],
    [1000, 1001, "1,000 in, as many as in the hour before"],
    [3, 0, "3 in, none in the hour before"],
    [0, 0, "0 in, as in the hour before"],
  ];
  for (const [now, before, words] of cases) assertEquals(comparedInWords("in", now, before, "hour"), words);
});

Deno.test("lengthInWords() uses the largest unit that fits", () => {
  assertEquals([60, 1200, 3600, 5400, 86_400, 7 * 86_400].map(lengthInWords), [
    "minute",
    "20 minutes",
    "hour",
    "90 minutes",
    "day",
    "7 days",
  ]);
});

Deno.test("readSpan() reads what writeSpan() writes, and nothing else", () => {
  const span = { from: Date.UTC(2026, 10, 30, 1) / 1000, to: Date.UTC(2026, 10, 30, 1, 20) / 1000 };
  assertEquals(writeSpan(span), "2026-11-30T01:00Z~2026-11-30T01:20Z");
  assertEquals(readSpan(writeSpan(span)), span);
  for (const other of ["", "2026-11-30T01:00Z", "2026-11-30T01:20Z~2026-11-30T01:00Z", "x~y"]) {
    assertEquals(readSpan(other), undefined, other);
  }
});
