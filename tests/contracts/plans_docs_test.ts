/** docs/plans.md: each command of a plan says what it is here and which test runs it, or why none does. */
import { assert, assertEquals } from "../support/assert.ts";
import { join, ROOT } from "../../lib/paths.ts";

const TEXT = await Deno.readTextFile(join(ROOT, "docs", "plans.md"));
const SQL = await Deno.readTextFile(join(ROOT, "tests", "fixtures", "plans", "reply_tracking.sql"));

/** Rows of the tables of commands, without their heads and the table of names. */
const ROWS = [...TEXT.matchAll(/^\| (.+) \| (.+) \| (.+) \|$/gm)].map(([, command, here, test]) => ({
  command,
  here,
  test,
})).filter(({ command }) => command !== "Command" && command !== "The plan asks");

Deno.test("plans: each command says what it is here, and its test or why there is none", () => {
  assert(ROWS.length >= 30, `${ROWS.length} commands`);
  const incomplete = ROWS.filter(({ test }) =>
    !/^`[\w/.]+_test\.ts`: "[^"]+"$/.test(test) && !/^none: \S.*\S$/.test(test)
  );
  assertEquals(incomplete, []);
});

Deno.test("plans: each test that is named is there, by its name", async () => {
  const missing: string[] = [];
  for (const { test } of ROWS) {
    const [, path, name] = /^`([^`]+)`: "([^"]+)"$/.exec(test) ?? [];
    if (path === undefined) continue;
    const source = await Deno.readTextFile(join(ROOT, path)).catch(() => "");
    if (!source.includes(name)) missing.push(test);
  }
  assertEquals(missing, []);
});

Deno.test("plans: every step of the plan's SQL is in the list, once, and every step that is listed is in the SQL", () => {
  const steps = [...SQL.matchAll(/^-- step: (.+)$/gm)].map(([, name]) => name);
  const listed = ROWS.flatMap(({ here }) => /step "([^"]+)"/.exec(here)?.[1] ?? []);
  assertEquals(listed.toSorted(), steps.toSorted());
});

Deno.test("plans: the migrations of the table of names are there", async () => {
  const names = [...TEXT.matchAll(/…(_\w+\.sql)` \| the same name after `(\d{14})`/g)];
  assertEquals(names.length, 2);
  for (const [, name, version] of names) {
    await Deno.stat(join(ROOT, "supabase", "migrations", version + name));
  }
});
