/** What a run says: a line for each job, and what they come to. */
import type { Result } from "./job.ts";
import type { Job } from "./tiers.ts";

/** Deno's line for a test that passed. */
// deno-lint-ignore no-control-regex
const WELL = /^\S.* \.\.\. (\x1b\[[0-9;]*m)*ok(\x1b\[[0-9;]*m)* /;
/** How a test file says of what it needs that it is not there. */
const NOT_RUN = /\bNOT run\b/;

/** A line for a job that went well, and all that it said for one that did not. */
export function told({ job, passed, failed, ignored, output, ms }: Result, verbose: boolean): string {
  const lines: string[] = [];
  if (verbose) lines.push(`\n${output.trim()}\n`);
  else if (failed > 0) {
    lines.push(`\n${output.trim().split("\n").filter((line) => !WELL.test(line)).join("\n")}\n`);
  }
  const counts = [
    `${passed} passed`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(ignored > 0 ? [`${ignored} not run`] : []),
  ].join(", ");
  const seconds = (ms / 1000).toFixed(1).padStart(6);
  lines.push(`${failed > 0 ? "FAILED" : "ok    "} ${seconds} s  ${job.name} (${counts})`);
  if (ignored > 0 && !verbose) {
    for (const line of new Set(output.split("\n").filter((line) => NOT_RUN.test(line)))) {
      lines.push(`        ${line}`);
    }
  }
  return lines.join("\n");
}

/** A run that is over. */
export interface Run {
  results: readonly Result[];
  /** How many jobs there were to do. */
  expected: number;
  /** Jobs that its time did not suffice for. */
  leftOut: readonly Job[];
  /** Whether somebody ended it. */
  aborted: boolean;
  /** Why it could not go on. */
  fault: unknown;
  seed: number;
  filter: string | undefined;
  ms: number;
}

/** What it comes to: its last lines, and its exit code, 0 when something passed and nothing failed. */
export function closing(
  { results, expected, leftOut, aborted, fault, seed, filter, ms }: Run,
): { text: string; code: 0 | 1 } {
  const sum = (of: (result: Result) => number) => results.reduce((total, result) => total + of(result), 0);
  const passed = sum(({ passed }) => passed), ignored = sum(({ ignored }) => ignored);
  const failed = sum(({ failed }) => failed) + (fault === undefined ? 0 : 1);
  const unfinished = expected - results.length - leftOut.length;
  const none = filter !== undefined && passed + failed + ignored === 0;
  const lines = [
    `\n${results.length} jobs in ${(ms / 1000).toFixed(0)} s, --seed ${seed}` +
    (ignored > 0 ? `, ${ignored} tests not run` : "") +
    (unfinished > 0 ? `, ${unfinished} jobs not begun` : ""),
    ...leftOut.map(({ name }) => `NOT run, for want of time: ${name}`),
    ...(none ? [`No test has "${filter}" in its name.`] : []),
    ...(fault === undefined ? [] : [`FAILED ${fault instanceof Error ? fault.message : fault}`]),
    ...results.filter(({ failed }) => failed > 0).map(({ job }) => `FAILED ${job.name}`),
    `${passed} passed, ${failed} failed`,
  ];
  return { text: lines.join("\n"), code: failed > 0 || unfinished > 0 || aborted || none ? 1 : 0 };
}
