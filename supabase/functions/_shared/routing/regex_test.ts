import { assert, assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { compilePattern, MAX_PROGRAM } from "./regex.ts";
import { MAX_TEXT } from "../contract/routing/normalise.ts";
import { holds } from "../../../../tests/support/property.ts";

/** Runs `work` and counts how many characters of strings it looks at one by one. */
function charactersRead(work: () => void): number {
  const { codePointAt, charCodeAt } = String.prototype;
  let reads = 0;
  String.prototype.codePointAt = function (position) {
    reads++;
    return codePointAt.call(this, position);
  };
  String.prototype.charCodeAt = function (position) {
    reads++;
    return charCodeAt.call(this, position);
  };
  try {
    work();
  } finally {
    Object.assign(String.prototype, { codePointAt, charCodeAt });
  }
  return reads;
}

// Patterns that take a backtracking engine exponential or high polynomial time on these texts.
const WORST: [pattern: string, unit: string, end: string][] = [
  ["^(a+)+$", "a", "!"],
  ["^(a|aa)+$", "a", "!"],
  ["^(a|a?)+$", "a", "!"],
  ["^(.*a){20}$", "a", "!"],
  ["^(\\w+\\s?)*$", "word ", "!"],
  ["(x+x+)+y", "x", "!y"],
  ["^([a-z]+)*[0-9]$", "a", "!"],
  ["^(\\pL*\\pL*){30}[0-9]$", "ж", "!"],
  ["[ab]*a[ab]{300}[cd]", "abba", "!"],
];

Deno.test("compilePattern(): the characters read grow with the text, not with the ways to split it", async () => {
  for (const [pattern, unit, end] of WORST) {
    const test = await compilePattern(pattern, { caseSensitive: true });
    const textOf = (length: number) => unit.repeat(length / unit.length) + end;
    const short = charactersRead(() => assertEquals(test(textOf(MAX_TEXT / 8)), false, pattern));
    const long = charactersRead(() => assertEquals(test(textOf(MAX_TEXT)), false, pattern));
    assert(short > 0, `${pattern}: nothing was counted`);
    // Linear: eight times the text, at most eight times the reads and a little; a second pass is allowed for.
    assert(long <= 2 * 8 * short + 100, `${pattern}: ${short} reads, then ${long}`);
    assert(long <= 8 * MAX_TEXT, `${pattern}: ${long} reads of ${MAX_TEXT} characters`);
  }
});

Deno.test("compilePattern() agrees with RegExp on their common syntax", async () => {
  const atom = fc.constantFrom("a", "b", "[ab]", "[^a]", ".", "\\d", "(?:a|b)");
  const piece = fc.tuple(atom, fc.constantFrom("", "*", "+", "?", "{1,3}")).map((parts) => parts.join(""));
  const pattern = fc.array(piece, { minLength: 1, maxLength: 5 }).map((pieces) => pieces.join(""));
  const texts = fc.array(fc.string({ unit: fc.constantFrom("a", "b", "1", " ", "é") }), { minLength: 1 });
  await holds(fc.asyncProperty(pattern, fc.boolean(), texts, async (inner, anchored, texts) => {
    const source = anchored ? `^${inner}$` : inner;
    const test = await compilePattern(source, { caseSensitive: true });
    for (const text of texts) {
      assertEquals(test(text), new RegExp(source, "u").test(text), `/${source}/ on "${text}"`);
    }
  }));
});

Deno.test("compilePattern() refuses a program larger than MAX_PROGRAM", async () => {
  const said: Record<string, boolean> = {};
  for (const count of [MAX_PROGRAM - 3, MAX_PROGRAM]) {
    said[count] = await compilePattern(`\\pL{${count}}`, { caseSensitive: true }).then(
      () => true,
      () => false,
    );
  }
  assertEquals(said, { [MAX_PROGRAM - 3]: true, [MAX_PROGRAM]: false });
});
