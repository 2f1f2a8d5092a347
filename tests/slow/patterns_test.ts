/** Patterns of what is deployed: none of them takes more than linear time, whatever text somebody sends. */
import { assert, assertEquals } from "../support/assert.ts";
import { check } from "recheck";
import ts from "typescript";
import { FUNCTIONS, join, ROOT } from "../../lib/paths.ts";
import { assertLinear } from "../support/growth.ts";

interface Pattern {
  place: string;
  /** As it stands there, slashes and flags included; of a pattern that is put together, the call. */
  text: string;
  literal: boolean;
}

/** Patterns that are put together, and of what. */
const MADE = new Map([
  ["_shared/mail/quotes.ts", "of words, none of which repeats anything"],
  ["_shared/links/visitor/visit.ts", "of the name of a cookie of ours"],
  ["_shared/links/table/dates.ts", "of three orders of a date and one clock, each part of a bounded length"],
]);

/** Every pattern in the code of the functions, tests left out. */
function patterns(folder: string = FUNCTIONS): Pattern[] {
  const found: Pattern[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    const path = join(folder, name);
    if (isDirectory) found.push(...patterns(path));
    if (!/\.ts$/.test(name) || /_test\.ts$/.test(name)) continue;
    const source = ts.createSourceFile(path, Deno.readTextFileSync(path), ts.ScriptTarget.Latest, true);
    const look = (node: ts.Node): void => {
      const literal = node.kind === ts.SyntaxKind.RegularExpressionLiteral;
      const made = (ts.isNewExpression(node) || ts.isCallExpression(node)) &&
        node.expression.getText() === "RegExp";
      if (literal || made) {
        found.push({ place: path.slice(FUNCTIONS.length + 1), text: node.getText(), literal });
      }
      ts.forEachChild(node, look);
    };
    look(source);
  }
  return found;
}

interface Judged {
  status: "safe" | "vulnerable" | "unknown";
  attack?: { pumps: { prefix: string; pump: string }[]; suffix: string };
}

Deno.test("no regular expression of the deployed code takes more than linear time, according to a checker", async () => {
  const all = patterns();
  assert(all.length > 100, `${all.length} patterns were found below ${ROOT}`);
  assertEquals(
    all.filter(({ literal, place }) => !literal && !MADE.has(place)).map(({ place, text }) => [place, text]),
    [],
    "patterns that are put together",
  );
  const literals = new Map(all.filter(({ literal }) => literal).map((pattern) => [pattern.text, pattern]));
  for (const { place, text } of literals.values()) {
    const end = text.lastIndexOf("/");
    const [source, flags] = [text.slice(1, end), text.slice(end + 1)];
    const { status, attack } = await check(source, flags, { timeout: 120_000, randomSeed: 7 }) as Judged;
    if (status === "safe") continue;
    if (attack === undefined) throw new Error(`${place}: ${text} could not be judged`);
    // It counts steps, and takes many of them for a growth: what it found is tried.
    const pattern = new RegExp(source, flags), { pumps, suffix } = attack;
    const hostile = (size: number) =>
      pumps.map(({ prefix, pump }) => prefix + pump.repeat(size)).join("") + suffix;
    await assertLinear(2000, (size) => hostile(size).replace(pattern, "")).catch((cause) => {
      throw new Error(`${place}: ${text} on ${JSON.stringify(pumps)}`, { cause });
    });
  }
});
