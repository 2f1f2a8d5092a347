/** The list of limits (`_shared/contract/limits.ts`) beside what else knows their figures: documents, SQL, the panel. */
import { assert, assertEquals } from "../support/assert.ts";
import { join } from "node:path";
import { SETTINGS } from "../../admin/src/pages/settings/limits.ts";
import { ROOT } from "../../lib/paths.ts";
import {
  type LimitKind,
  limitOf,
  LIMITS,
  SETTABLE_LIMITS,
} from "../../supabase/functions/_shared/contract/limits.ts";

const ALL: readonly LimitKind[] = Object.values(LIMITS);
const read = (path: string) => Deno.readTextFile(join(ROOT, path));
const number = (n: number) => n.toLocaleString("en-US");

/** A limit as the table of docs/architecture.md has it. */
function rowOf(kind: LimitKind): string {
  const { perSecond, burst } = limitOf(kind);
  const rate = perSecond < 1
    ? `one in ${number(Math.round(1 / perSecond))} s`
    : `${number(perSecond)} a second`;
  const atOnce = burst === perSecond ? "" : `, ${number(burst)} at once`;
  const setting = kind.setting === undefined
    ? ""
    : `: the setting \`${kind.setting.key}\`, ${number(kind.setting.most)} at most`;
  return `| ${kind.of}${kind.engine === "isolate" ? ", in an isolate" : ""} | ${rate}${atOnce}${setting} |`;
}

Deno.test("limits: docs/architecture.md lists each with its value, and no other row names its setting", async () => {
  const lines = (await read("docs/architecture.md")).split("\n");
  const rows = ALL.map(rowOf);
  assertEquals(rows.filter((row) => !lines.includes(row)), []);
  const keys = SETTABLE_LIMITS.map(({ setting }) => setting.key);
  const naming = lines.filter((line) => keys.some((key) => line.includes(`\`${key}\``)));
  assertEquals(naming.filter((line) => !rows.includes(line)), []);
});

Deno.test("limits: the limits that SQL enforces have the figures of the list", async () => {
  const takes = [
    ...(await read("supabase/schema.sql")).matchAll(/take_rate\('(\w+):' \|\| [\w.]+, ([^,]+), (\d+),/g),
  ];
  assertEquals(
    takes.map(([, name]) => name).sort(),
    [LIMITS.passwords.name, LIMITS.unknownCodes.name].sort(),
  );
  for (const [, name, rate, burst] of takes) {
    const [over, under = 1] = rate.split("/").map(Number);
    const kind = ALL.find((kind) => kind.name === name)!;
    assertEquals({ name, perSecond: over / under, burst: Number(burst) }, limitOf(kind));
  }
});

Deno.test("limits: the panel edits each configurable limit within its bounds", () => {
  for (const { setting, perSecond } of SETTABLE_LIMITS) {
    const shown = SETTINGS.find(({ key }) => key === setting.key);
    assert(shown !== undefined, setting.key);
    assertEquals(shown.otherwise, perSecond);
    for (const value of [shown.least, shown.most]) {
      assertEquals(limitOf({ ...LIMITS.send, setting }, String(value)).perSecond, value, setting.key);
    }
  }
});

Deno.test("limits: no other file contains the key of a limit's setting", async () => {
  const keys = SETTABLE_LIMITS.map(({ setting }) => `"${setting.key}"`);
  const { stdout } = await new Deno.Command("git", {
    args: [
      "grep",
      "-lF",
      "--untracked",
      ...keys.flatMap((key) => ["-e", key]),
      "--",
      "supabase/functions",
      "admin/src",
      "cli",
    ],
    cwd: ROOT,
  }).output();
  const files = new TextDecoder().decode(stdout).trim().split("\n").filter((path) =>
    !/_test\.tsx?$/.test(path)
  );
  assertEquals(files, ["supabase/functions/_shared/contract/limits.ts"]);
});
