/** What GitHub runs and reads is of this repository: tasks that there are, one Deno, files that can be read. */
import { join, ROOT } from "../../lib/paths.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";

const read = (path: string) => Deno.readTextFile(join(ROOT, path));
const WORKFLOWS = [...Deno.readDirSync(join(ROOT, ".github", "workflows"))].map(({ name }) => name).sort();
const workflow = (name: string) => read(`.github/workflows/${name}`);

Deno.test("workflows: every task they run is in deno.json, and every test tier is run", async () => {
  const { tasks } = JSON.parse(await read("deno.json"));
  const run: string[] = [];
  for (const name of WORKFLOWS) {
    const text = await workflow(name);
    const tiers = /^ +tier: \[(.*)\]$/m.exec(text)?.[1].split(", ") ?? [];
    for (const [, task] of text.matchAll(/\bdeno task (?:--quiet )?(\S+)/g)) {
      if (task === "test:${{") run.push(...tiers.map((tier) => `test:${tier}`));
      else run.push(task);
    }
  }
  assertEquals(run.filter((task) => !(task in tasks)), []);
  // Checks of a stack that runs are no tier; tests of their own run them. Nor are files by name, which their tiers run.
  const tests = Object.keys(tasks).filter((task) =>
    task.startsWith("test:") && !/tests\/run\.ts \w+\/|scripts\/checks/.test(tasks[task].command) &&
    task !== "test:smoke"
  );
  assertEquals(tests.filter((task) => !run.includes(task)), []);
  for (const task of ["check", "lint:sql", "deploy:check"]) assert(run.includes(task), task);
});

Deno.test("workflows: use the Deno version of .ci/run, and explicit permissions", async () => {
  const [, version] = /deno@([\d.]+)/.exec(await read(".ci/run"))!;
  for (const name of WORKFLOWS) {
    const text = await workflow(name);
    const versions = [...text.matchAll(/deno-version: (.*)/g)].map(([, found]) => found);
    assertEquals(new Set(versions), new Set([version]), name);
    assertMatch(text, /^permissions:$/m, name);
  }
});

Deno.test("renovate: updates the programs of lib/programs.ts, but not the Deno that Supabase runs", async () => {
  const { customManagers } = JSON.parse(await read(".github/renovate.json"));
  const [{ managerFilePatterns, matchStrings }] = customManagers;
  assertMatch("lib/programs.ts", new RegExp(managerFilePatterns[0].slice(1, -1)));
  const found = [...(await read("lib/programs.ts")).matchAll(new RegExp(matchStrings[0], "g"))];
  assertEquals(found.map(({ groups }) => groups!.depName), [
    "supabase",
    "squawk-cli",
    "typescript",
    "miniflare",
  ]);
});

Deno.test("issue forms: each asks not to paste phone numbers and secrets", async () => {
  for (const name of ["bug.yml", "feature.yml"]) {
    assertMatch(await read(`.github/ISSUE_TEMPLATE/${name}`), /do not paste phone numbers[^]*secrets/, name);
  }
  assertMatch(await read("SECURITY.md"), /not an issue/);
});

Deno.test("editor: its settings are valid JSON", async () => {
  for (const name of ["extensions.json", "settings.json"]) JSON.parse(await read(`.vscode/${name}`));
});
