/** The tiers of the tests, by what a test needs and so costs, and the jobs that a run is made of. */
import { dirname } from "node:path";

/** The tiers, in the order in which a run of all of them begins: what takes long first. */
export const TIERS = [
  /** Kills, drills, deployments. */
  "slow",
  /** Chromium, and a whole stack for each file. */
  "browser",
  /** The command line, on a stack. */
  "cli",
  /** The local stack itself. */
  "stack",
  /** Documents, OpenAPI, alert rules and linters against the code. */
  "contracts",
  /** The functions in the process of the test, on a database. */
  "functions",
  /** SQL. */
  "database",
  /** Pure code; most of these tests are beside it. */
  "unit",
] as const;
export type Tier = (typeof TIERS)[number];

/** Test files that one process runs, in an environment of its own. */
export interface Job {
  tier: Tier;
  /** Paths from the root of the checkout. */
  files: string[];
  /** What it is called: its file, or the folder of its files. */
  name: string;
}

const TEST_FILE = /_test\.tsx?$/;

/** Whether a path is that of a test file. */
export function isTest(path: string): boolean {
  return TEST_FILE.test(path);
}

/** The tier of a test file. */
export function tierOf(path: string): Tier {
  const [root, folder] = path.split("/");
  const tier = TIERS.find((tier) => root === "tests" && tier === folder);
  return tier ?? "unit";
}

/**
 * The files that somebody asks for.
 * @param files All test files.
 * @param wanted Names of tiers, paths of files or folders, or subjects: parts of names within the tiers that are named.
 *   None stands for everything.
 * @throws TypeError for one that names nothing.
 */
export function select(files: readonly string[], wanted: readonly string[]): string[] {
  const tiers = wanted.filter((word): word is Tier => (TIERS as readonly string[]).includes(word));
  const within = files.filter((file) => tiers.length === 0 || tiers.includes(tierOf(file)));
  const others = wanted.filter((word) => !(TIERS as readonly string[]).includes(word));
  if (others.length === 0) return within;
  const found = new Set<string>();
  for (const word of others) {
    const path = word.replace(/^\.\//, "").replace(/\/+$/, "");
    const byPath = within.filter((file) => file === path || file.startsWith(`${path}/`));
    const named = byPath.length > 0 ? byPath : within.filter((file) => file.includes(path));
    if (named.length === 0) {
      throw new TypeError(
        `No test file is named by ${word}. Give a tier (${TIERS.join(", ")}), a path, or a part of a name.`,
      );
    }
    for (const file of named) found.add(file);
  }
  return within.filter((file) => found.has(file));
}

/** Jobs for these files: a folder of unit tests is one, each other file one by itself; by tier, shuffled within it. */
export function jobsFor(files: readonly string[], random: () => number): Job[] {
  const jobs = new Map<string, Job>();
  for (const file of files) {
    const tier = tierOf(file);
    const name = tier === "unit" ? dirname(file) : file;
    const job = jobs.get(name) ?? { tier, files: [], name };
    job.files.push(file);
    jobs.set(name, job);
  }
  return TIERS.flatMap((tier) => shuffled([...jobs.values()].filter((job) => job.tier === tier), random));
}

/** A random order. @param random Numbers from 0 to below 1 */
export function shuffled<T>(values: readonly T[], random: () => number): T[] {
  const order = [...values];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** A generator of numbers from 0 to below 1 that begins anew with the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
