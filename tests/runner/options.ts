/** The command line of `deno task test`. */
import { parseArgs } from "node:util";

export interface Options {
  /** Tiers, paths and subjects; none stands for everything. */
  wanted: string[];
  /** Decides every order and every random case. */
  seed: number;
  /** How many processes run at a time. */
  jobs: number;
  /** When the last slow test may begin, in minutes from the start; undefined for no limit. */
  minutes: number | undefined;
  /** Only what a change since this commit can reach; undefined for all. */
  changed: string | undefined;
  /** Every case of every property, or a tenth. */
  cases: "all" | "few";
  /** Prints all of what the tests say, and not only of those that fail. */
  verbose: boolean;
  /** Only tests with this in their names. */
  filter: string | undefined;
  help: boolean;
}

export const HELP = `Runs the tests.

  deno task test [TIER | PATH | SUBJECT ...] [options]

  deno task test                          all of them
  deno task test tests/cli/flags_test.ts  a file, or a folder
  deno task test:db links                 tests of a tier with "links" in their name

Tiers: unit, database, functions, stack, cli, contracts, browser, slow.

  --changed[=COMMIT]  tests that changes since COMMIT (HEAD) can affect, by imports
  --seed N            repeat the order and random cases of an earlier run
  --jobs N            parallel processes (default: one per processor)
  --minutes N         slow tests last, and none that would begin later; names what it leaves out
  --cases all|few     cases per property (default: all in a full run and in test:slow)
  --filter TEXT       tests with TEXT in their names
  --verbose           print the output of the tests
  --help              show this help
`;

/**
 * Reads the command line.
 * @throws TypeError for an argument that makes no sense.
 */
export function parseOptions(args: string[], processors: number, random: () => number): Options {
  // `--changed` may stand alone, which parseArgs does not know.
  const spelt = args.map((arg) => arg === "--changed" ? "--changed=HEAD" : arg);
  const { values, positionals } = parseArgs({
    args: spelt,
    allowPositionals: true,
    options: {
      changed: { type: "string" },
      seed: { type: "string" },
      jobs: { type: "string" },
      minutes: { type: "string" },
      cases: { type: "string" },
      filter: { type: "string" },
      verbose: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const whole = (name: "seed" | "jobs" | "minutes", least: number): number | undefined => {
    const text = values[name];
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!/^\d{1,10}$/.test(text) || value < least || value >= 2 ** 31) {
      throw new TypeError(`--${name} takes a whole number from ${least}, not ${text}.`);
    }
    return value;
  };
  const { cases = positionals.length === 0 || positionals.includes("slow") ? "all" : "few" } = values;
  if (cases !== "all" && cases !== "few") throw new TypeError(`--cases takes all or few, not ${cases}.`);
  return {
    wanted: positionals,
    seed: whole("seed", 0) ?? Math.floor(random() * 2 ** 31),
    jobs: whole("jobs", 1) ?? Math.max(2, processors),
    minutes: whole("minutes", 1),
    changed: values.changed,
    cases,
    verbose: values.verbose,
    filter: values.filter,
    help: values.help,
  };
}
