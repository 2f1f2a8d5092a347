/**
 * `deno task test`: the tests, each file, or folder of unit tests, in a process and so an environment of its own, as many
 * at a time as there are processors, in random order, on one Postgres. Its last line counts them: `N passed, N failed`.
 * Exit code 0 when all passed. See tests/runner/options.ts for its options.
 */
import { buildPanel } from "../local/panel/build.ts";
import { ROOT } from "../lib/paths.ts";
import { UserError } from "../lib/user_error.ts";
import { affected } from "./runner/changed.ts";
import { type Result, runJob } from "./runner/job.ts";
import { HELP, type Options, parseOptions } from "./runner/options.ts";
import { closing, told } from "./runner/report.ts";
import { isTest, type Job, jobsFor, randomFrom, select, slowLast, type Tier } from "./runner/tiers.ts";
import { CLUSTER_VARIABLE, startTestCluster, type TestCluster } from "./support/cluster.ts";
import { CASES_VARIABLE, SEED_VARIABLE } from "./support/property.ts";

/** Where tests are. */
const FOLDERS = ["cli", "lib", "local", "supabase/functions", "tests", "tools"];

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
  return /\b(holds|casesOf|channelContract)\(/.test(Deno.readTextFileSync(`${ROOT}/${file}`));
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
  if (files.length === 0) {
    console.log("nothing to run: the changes reach no test\n0 passed, 0 failed");
    return 0;
  }
  const { minutes = Infinity } = options;
  const inOrder = jobsFor(files, randomFrom(seed));
  const jobs = minutes === Infinity ? inOrder : slowLast(inOrder);
  console.log(`${files.length} test files, ${options.jobs} at a time, order and cases of --seed ${seed}`);

  const needs = (tiers: ReadonlySet<Tier>) => jobs.some(({ tier }) => tiers.has(tier));
  const stop = new AbortController(), { signal } = stop;
  for (const name of Deno.build.os === "windows" ? ["SIGINT"] as const : ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(name, () => stop.abort());
  }
  // Without it most jobs would fail, each in its own words.
  let fault: unknown;
  const starting = (): Promise<TestCluster | void> =>
    startTestCluster().catch((error) => {
      if (!(error instanceof UserError)) console.error(error);
      fault = error;
      stop.abort();
    });
  // Jobs need not wait for what they do not use. A panel that can't be built fails its own tests.
  const cluster = needs(ON_POSTGRES) ? starting() : undefined;
  const panel = needs(WITH_PANEL) ? buildPanel().catch((error) => console.error(error.message)) : undefined;
  const leftOut: Job[] = [];
  try {
    const results = await inTurn(jobs, options.jobs, signal, async (job) => {
      if (job.tier === "slow" && performance.now() - began > minutes * 60_000) return void leftOut.push(job);
      const postgres = ON_POSTGRES.has(job.tier) ? await cluster : undefined;
      if (WITH_PANEL.has(job.tier)) await panel;
      if (signal.aborted) return;
      const result = await runJob(job, jobOptions(options, postgres, signal));
      console.log(told(result, options.verbose));
      return result;
    });
    const { text, code } = closing({
      ...{ results, expected: jobs.length, leftOut, aborted: signal.aborted, fault },
      ...{ seed, filter: options.filter, ms: performance.now() - began },
    });
    console.log(text);
    return code;
  } finally {
    await cluster?.then((cluster) => cluster?.stop());
  }
}

function jobOptions({ seed, cases, filter }: Options, cluster: TestCluster | void, signal: AbortSignal) {
  return {
    signal,
    chosen: filter !== undefined,
    args: [`--shuffle=${seed}`, ...(filter === undefined ? [] : [`--filter=${filter}`, "--permit-no-files"])],
    env: {
      [SEED_VARIABLE]: String(seed),
      [CASES_VARIABLE]: cases,
      ...(cluster ? { [CLUSTER_VARIABLE]: cluster.template } : {}),
      ...(cluster?.temporary === undefined ? {} : { TMPDIR: cluster.temporary }),
    },
  };
}

/** Does each job, so many at a time, in their order; begins none after an abort. */
async function inTurn(
  jobs: readonly Job[],
  atATime: number,
  signal: AbortSignal,
  work: (job: Job) => Promise<Result | void>,
): Promise<Result[]> {
  const waiting = [...jobs], results: Result[] = [];
  await Promise.all(Array.from({ length: atATime }, async () => {
    for (let job; !signal.aborted && (job = waiting.shift());) {
      const result = await work(job);
      if (result) results.push(result);
    }
  }));
  return results;
}

try {
  const options = parseOptions(Deno.args, navigator.hardwareConcurrency, Math.random);
  if (options.help) {
    console.log(HELP);
    Deno.exit(0);
  }
  Deno.exit(await run(options));
} catch (error) {
  if (!(error instanceof UserError || error instanceof TypeError)) throw error;
  console.error(error.message);
  Deno.exit(error instanceof TypeError ? 2 : 1);
}
