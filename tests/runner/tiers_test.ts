import { assert, assertEquals, assertThrows } from "../support/assert.ts";
import fc from "fast-check";
import { holds } from "../support/property.ts";
import { isTest, jobsFor, randomFrom, select, shuffled, slowLast, tierOf } from "./tiers.ts";

const FILES = [
  "cli/core/suggest_test.ts",
  "cli/commands/replay/recorded_test.ts",
  "supabase/functions/_shared/links/model/urls_test.ts",
  "tests/browser/links_test.ts",
  "tests/database/links_counts_test.ts",
  "tests/database/settings_test.ts",
  "tests/slow/chaos_test.ts",
  "tests/unit/panel_links_test.ts",
];

Deno.test("tierOf(): the folder below tests/, or unit for files beside the code", () => {
  assertEquals(FILES.map(tierOf), [
    "unit",
    "unit",
    "unit",
    "browser",
    "database",
    "database",
    "slow",
    "unit",
  ]);
  assert(isTest("tests/slow/chaos_test.ts") && !isTest("tests/support/stack.ts"));
});

Deno.test("select(): tiers, paths, folders and subjects, combined and alone; no argument means everything", () => {
  const cases: [wanted: string[], found: number[]][] = [
    [[], [0, 1, 2, 3, 4, 5, 6, 7]],
    [["database"], [4, 5]],
    [["database", "slow"], [4, 5, 6]],
    [["cli"], []],
    [["./cli/"], [0, 1]],
    [["tests/slow/chaos_test.ts"], [6]],
    [["links"], [2, 3, 4, 7]],
    [["database", "links"], [4]],
    [["tests/database/", "suggest"], [0, 4, 5]],
    [["slow", "tests/slow/chaos_test.ts"], [6]],
    [["unit", "./cli"], [0, 1]],
    [["unit", "database", "counts", "./cli"], [0, 1, 4]],
  ];
  for (const [wanted, found] of cases) {
    assertEquals(select(FILES, wanted), found.map((i) => FILES[i]), wanted.join(" "));
  }
  assertThrows(() => select(FILES, ["nonsense"]), TypeError, "nonsense");
  assertThrows(() => select(FILES, ["database", "chaos"]), TypeError, "chaos");
  assertThrows(() => select(FILES, ["database", "cli/core/suggest_test.ts"]), TypeError, "of database");
});

Deno.test("jobsFor(): each file once; unit tests by folder, others alone; long tiers first", () => {
  holds(fc.property(fc.subarray(FILES), fc.nat(), (files, seed) => {
    const jobs = jobsFor(files, randomFrom(seed));
    assertEquals(jobs.flatMap(({ files }) => files).sort(), [...files].sort());
    for (const { tier, files } of jobs) assert(tier === "unit" || files.length === 1);
    const places = jobs.map(({ tier }) => ["slow", "browser", "database", "unit"].indexOf(tier));
    assertEquals(places, [...places].sort());
    const others = jobs.filter(({ tier }) => tier !== "slow");
    assertEquals(slowLast(jobs), [...others, ...jobs.filter((job) => !others.includes(job))]);
  }));
});

Deno.test("shuffled(): a permutation that depends only on the seed", () => {
  const values = Array.from({ length: 50 }, (_, i) => i);
  const order = (seed: number) => shuffled(values, randomFrom(seed));
  holds(fc.property(fc.nat(), (seed) => {
    assertEquals([...order(seed)].sort((a, b) => a - b), values);
    assertEquals(order(seed), order(seed));
  }));
  assert(order(1).join() !== order(2).join());
});
