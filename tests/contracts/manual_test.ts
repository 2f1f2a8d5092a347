/** docs/manual.md: each line says where it is and which test proves it; the tests are there, and so are the commands. */
import { assert, assertEquals } from "../support/assert.ts";
import { CHECKLIST } from "../../cli/commands/gates/list.ts";
import { program } from "../../cli/program.ts";
import { join, ROOT } from "../../lib/paths.ts";
import type { Command } from "commander";

const TEXT = await Deno.readTextFile(join(ROOT, "docs", "manual.md"));

/** Rows of the tables, without their heads. */
const ROWS = [...TEXT.matchAll(/^\| (.+) \|$/gm)].map(([, row]) => row.split(/ \| /))
  .filter(([asked]) => asked !== "What is asked");

const names = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, name]) => name);

Deno.test("the manual: each line says what is asked, where it is, and which test proves it", () => {
  assert(ROWS.length > 90, `${ROWS.length} lines`);
  const incomplete = ROWS.filter(([asked, where, test, ...more]) =>
    !asked || !where || more.length > 0 ||
    /\bto come\b/.test(where) || !/^`[^`]+_test\.ts`(?:, `[^`]+_test\.ts`)*$/.test(test ?? "")
  );
  assertEquals(incomplete, []);
});

Deno.test("the manual: each line is there once", () => {
  const seen = ROWS.map(([asked]) => asked);
  assertEquals(seen.filter((asked, index) => seen.indexOf(asked) !== index), []);
});

Deno.test("the manual: each test that it names is there, and has tests", async () => {
  const missing: string[] = [];
  for (const path of new Set(ROWS.flatMap(([, , test]) => names(test, /`([^`]+)`/g)))) {
    const source = await Deno.readTextFile(join(ROOT, path)).catch(() => "");
    if (!/\b(?:Deno\.test|\w*[tT]est|step)\(/.test(source)) missing.push(path);
  }
  assertEquals(missing, []);
});

Deno.test("the manual: each command that it names is one, with its options", async () => {
  const unknown: string[] = [];
  for (const line of new Set(names(TEXT, /`gatelink ([^`]+)`/g))) {
    const words = line.split(" ");
    let command: Command | undefined = await program(() => Promise.resolve(), words);
    for (const word of words) {
      if (command === undefined || word.startsWith("-")) break;
      const next: Command | undefined = command.commands.find((one) => one.name() === word);
      // Beyond the last command are its arguments.
      if (next === undefined && command.commands.length > 0) command = undefined;
      else command = next ?? command;
    }
    const options = words.filter((word) => word.startsWith("--"));
    if (!command || options.some((option) => !command!.options.some(({ long }) => long === option))) {
      unknown.push(line);
    }
  }
  assertEquals(unknown, []);
});

Deno.test("the manual: each gate that it names is one, and none is left out", () => {
  const gates = names(TEXT, /\bgates? ((?:`\w+`(?:, | and )?)+)/g).flatMap((list) => names(list, /`(\w+)`/g));
  assert(gates.length > 30, gates.join());
  // Those of one flag alone are a rollout plan's: docs/two-environments.md.
  const known = CHECKLIST.filter(({ flag }) => flag === undefined).map(({ id }) => id);
  assertEquals(gates.filter((gate) => !known.includes(gate)), []);
  const approvals = /^approval_(?!engineering)/;
  assertEquals(known.filter((gate) => !gates.includes(gate) && !approvals.test(gate)), []);
});
