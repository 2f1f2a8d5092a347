/**
 * `deno task test`: the tests, each file in a process and so an environment of its own, as many at a time as there are
 * processors, in random order, on one Postgres. Its last line counts them: `N passed, N failed`. Exit code 0 when all
 * passed. See tests/runner/options.ts for its options.
 */
import { buildPanel } from "../local/panel_build.ts";
import { ROOT } from "../local/paths.ts";
import { StackError } from "../local/stack_error.ts";
import { affected } from "./runner/changed.ts";
import { type Result, runJob } from "./runner/job.ts";
import { HELP, type Options, parseOptions } from "./runner/options.ts";
import { isTest, type Job, jobsFor, randomFrom, select, type Tier } from "./runner/tiers.ts";
import { CLUSTER_VARIABLE, startTestCluster, type TestCluster } from "./support/cluster.ts";
import { CASES_VARIABLE, SEED_VARIABLE } from "./support/property.ts";

/** Where tests are. */
const FOLDERS = ["cli", "local", "supabase/functions", "tests", "tools"];

/** All test files, as paths from the root. */
function testFiles(): string[] {
  const found: string[] = [];
  const look = (folder: string) => {
    for (const { name, isDirectory } of Deno.readDirSync(`${ROOT}/${folder}`)) {
      if (isDirectory && name !== "node_modules") look(`${folder}/${name}`);
      else if (isTest(name)) found.push(`${folder}/${name}`);
    }
  };
  FOLDERS.forEach(look);
  return found.sort();
}

/** Whether a test file has a property: the slow tier is where those of all tiers have every case. */
function hasProperty(file: string): boolean {
  return /\b(holds|casesOf)\(/.test(Deno.readTextFileSync(`${ROOT}/${file}`));
}

/** Tiers whose tests need a database; those that show the panel. */
const ON_POSTGRES: ReadonlySet<Tier> = new Set([
  "database",
  "functions",
  "stack",
  "cli",
  "contracts",
  "browser",
  "slow",
]);
const WITH_PANEL: ReadonlySet<Tier> = new Set(["stack", "cli", "contracts", "browser", "slow"]);

async function run(options: Options): Promise<number> {
  const { seed } = options;
  const began = performance.now();
  const all = testFiles();
  const properties = options.wanted.join() === "slow" ? all.filter(hasProperty) : [];
  const selected = [...new Set([...select(all, options.wanted), ...properties])];
  const files = options.changed === undefined ? selected : await affected(selected, options.changed);
  const jobs = jobsFor(files, randomFrom(seed));
  console.log(`${files.length} test files, ${options.jobs} at a time, order and cases of --seed ${seed}`);

  const needs = (tiers: ReadonlySet<Tier>) => jobs.some(({ tier }) => tiers.has(tier));
  const stop = new AbortController();
  for (const signal of Deno.build.os === "windows" ? ["SIGINT"] as const : ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => stop.abort());
  }
  // Jobs need not wait for what they do not use. A panel that can't be built fails its own tests.
  const cluster = needs(ON_POSTGRES) ? startTestCluster() : undefined;
  const panel = needs(WITH_PANEL) ? buildPanel().catch((error) => console.error(error.message)) : undefined;
  try {
    const results = await inTurn(jobs, options.jobs, stop.signal, async (job) => {
      const postgres = ON_POSTGRES.has(job.tier) ? await cluster : undefined;
      if (WITH_PANEL.has(job.tier)) await panel;
      return report(await runJob(job, jobOptions(options, postgres, stop.signal)), options.verbose);
    });
    return closing(results, jobs.length, options, performance.now() - began);
  } finally {
    await cluster?.then((cluster) => cluster.stop(), () => {});
  }
}

function jobOptions({ seed, cases, filter }: Options, cluster: TestCluster | undefined, signal: AbortSignal) {
  return {
    signal,
    args: [`--shuffle=${seed}`, ...(filter === undefined ? [] : [`--filter=${filter}`, "--permit-no-files"])],
    env: {
      [SEED_VARIABLE]: String(seed),
      [CASES_VARIABLE]: cases,
      ...(cluster ? { [CLUSTER_VARIABLE]: cluster.template, TMPDIR: cluster.temporary } : {}),
    },
  };
}

/** Does each job, so many at a time, in their order; begins none after an abort. */
async function inTurn(
  jobs: readonly Job[],
  atATime: number,
  signal: AbortSignal,
  work: (job: Job) => Promise<Result>,
): Promise<Result[]> {
  const waiting = [...jobs], results: Result[] = [];
  await Promise.all(Array.from({ length: atATime }, async () => {
    for (let job; !signal.aborted && (job = waiting.shift());) results.push(await work(job));
  }));
  return results;
}

/** Deno's line for a test that passed. */
// deno-lint-ignore no-control-regex
const WELL = /^\S.* \.\.\. (\x1b\[[0-9;]*m)*ok(\x1b\[[0-9;]*m)* /;

/** Prints a line for a job that went well, and all that it said for one that did not. */
function report(result: Result, verbose: boolean): Result {
  const { job, passed, failed, ignored, output, ms } = result;
  if (verbose) console.log(`\n${output.trim()}\n`);
  else if (failed > 0) {
    console.log(`\n${output.trim().split("\n").filter((line) => !WELL.test(line)).join("\n")}\n`);
  }
  const counts = [
    `${passed} passed`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(ignored > 0 ? [`${ignored} not run`] : []),
  ].join(", ");
  console.log(
    `${failed > 0 ? "FAILED" : "ok    "} ${(ms / 1000).toFixed(1).padStart(6)} s  ${job.name} (${counts})`,
  );
  if (ignored > 0 && !verbose) {
    for (const line of new Set(output.split("\n").filter((line) => /NOT run/.test(line)))) {
      console.log(`        ${line}`);
    }
  }
  return result;
}

function closing(results: Result[], expected: number, { seed }: Options, ms: number): number {
  const sum = (of: (result: Result) => number) => results.reduce((total, result) => total + of(result), 0);
  const passed = sum(({ passed }) => passed), failed = sum(({ failed }) => failed);
  const ignored = sum(({ ignored }) => ignored);
  const unfinished = expected - results.length;
  console.log(
    `\n${results.length} jobs in ${(ms / 1000).toFixed(0)} s, --seed ${seed}` +
      (ignored > 0 ? `, ${ignored} tests not run` : "") +
      (unfinished > 0 ? `, ${unfinished} jobs not begun` : ""),
  );
  for (const { job, failed } of results) if (failed > 0) console.log(`FAILED ${job.name}`);
  console.log(`${passed} passed, ${failed} failed`);
  return failed > 0 || unfinished > 0 ? 1 : 0;
}

try {
  const options = parseOptions(Deno.args, navigator.hardwareConcurrency, Math.random);
  if (options.help) {
    console.log(HELP);
    Deno.exit(0);
  }
  Deno.exit(await run(options));
} catch (error) {
  if (!(error instanceof StackError || error instanceof TypeError)) throw error;
  console.error(error.message);
  Deno.exit(error instanceof TypeError ? 2 : 1);
}
