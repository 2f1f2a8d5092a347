import { assertEquals, assertThrows } from "../support/assert.ts";
import { parseOptions } from "./options.ts";

const parse = (...args: string[]) => parseOptions(args, 4, () => 0.5);

Deno.test("parseOptions(): by default everything, all cases, all processors", () => {
  assertEquals(parse(), {
    wanted: [],
    seed: 2 ** 30,
    jobs: 4,
    minutes: undefined,
    changed: undefined,
    cases: "all",
    verbose: false,
    filter: undefined,
    help: false,
  });
});

Deno.test("parseOptions(): a partial run has few cases, except the slow tier; explicit options win", () => {
  assertEquals(parse("unit").cases, "few");
  assertEquals(parse("slow").cases, "all");
  assertEquals(parse("unit", "--cases", "all").cases, "all");
  assertEquals(parse("--cases=few").cases, "few");
  assertEquals(parse("--seed", "7", "--jobs=1").seed, 7);
  assertEquals(parse("--changed").changed, "HEAD");
  assertEquals(parse("--changed=main", "database", "links").changed, "main");
  assertEquals(parse("database", "links").wanted, ["database", "links"]);
});

Deno.test("parseOptions(): names an invalid argument", () => {
  const cases: [args: string[], named: string][] = [
    [["--seed", "x"], "--seed"],
    [["--seed", "-1"], "--seed"],
    [["--seed", "99999999999"], "--seed"],
    [["--jobs", "0"], "--jobs"],
    [["--minutes", "0"], "--minutes"],
    [["--cases", "some"], "--cases"],
    [["--parallel"], "--parallel"],
  ];
  for (const [args, named] of cases) assertThrows(() => parse(...args), TypeError, named);
});
