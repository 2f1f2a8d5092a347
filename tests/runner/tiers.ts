/** The tiers of the tests, by what a test needs and so costs, and the jobs that a run is made of. */
import { dirname } from "node:path";

/** The tiers, in the order in which a run of all of them begins: what takes long first. */
export const TIERS = [
  /** Kills, drills, deployments, whole days in simulation. */
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
 * @param wanted Names of tiers, which narrow the rest; paths of files or folders; and subjects, which are parts of
 *   names. None stands for everything.
 * @throws TypeError for one that names nothing.
 */
export function select(files: readonly string[], wanted: readonly string[]): string[] {
  const tiers = wanted.filter((word) => (TIERS as readonly string[]).includes(word));
  const words = wanted.filter((word) => !tiers.includes(word));
  const within = files.filter((file) => tiers.length === 0 || tiers.includes(tierOf(file)));
  if (words.length === 0) return within;
  const found = new Set(words.flatMap((word) => named(within, word, tiers)));
  return within.filter((file) => found.has(file));
}

/** The files at a path, or, where there are none, those with it in their names. */
function named(files: readonly string[], word: string, tiers: readonly string[]): string[] {
  const path = word.replace(/^\.\//, "").replace(/\/+$/, "");
  const there = files.filter((file) => file === path || file.startsWith(`${path}/`));
  const found = there.length > 0 ? there : files.filter((file) => file.includes(path));
  if (found.length > 0) return found;
  throw new TypeError(
    `No test file${tiers.length > 0 ? ` of ${tiers.join(", ")}` : ""} is named by ${word}. ` +
      `Give a tier (${TIERS.join(", ")}), a path, or a part of a name.`,
  );
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

/** These jobs, those of the slow tier last. */
export function slowLast(jobs: readonly Job[]): Job[] {
  const isSlow = ({ tier }: Job) => tier === "slow";
  return [...jobs.filter((job) => !isSlow(job)), ...jobs.filter(isSlow)];
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
