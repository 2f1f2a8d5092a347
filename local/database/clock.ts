/**
 * Replaces pg_cron, which a hosted project has: runs the jobs of `private.clock_jobs()`, the one list for
 * both, and what a team's own SQL scheduled (`cron.ts`).
 */
import type { Sql } from "postgres";
import { log } from "../../supabase/functions/_shared/log/log.ts";
import { RUN_CRON } from "./cron.ts";

/** A row of private.clock_jobs(). */
export interface Job {
  name: string;
  /** Time from the end of one run to the start of the next, in seconds. */
  every_seconds: number;
  /** sql: `target` is a statement. http: `target` names a function that is sent a POST with a secret key. */
  kind: "sql" | "http";
  target: string;
  /** SQL expression that tells whether there is work; null: always. */
  due: string | null;
}

export interface ClockOptions {
  sql: Sql;
  /** URL of the stack, without a trailing slash. */
  url: string;
  secretKey: string;
  /** Waits, or returns early if the signal is aborted. @default {sleep} */
  sleep?(ms: number, signal: AbortSignal): Promise<void>;
}

export interface Clock {
  /** Starts no further job. Resolves when the running ones have ended. */
  stop(): Promise<void>;
}

/** Hourly jobs also run soon after the start, because few stacks live for an hour. */
const FIRST_RUN_AFTER_MS = 10_000;
/** The time-out of pg_net. */
const TIMEOUT_MS = 30_000;

/**
 * Runs each job at its interval, never two runs of one job at once. A failed run is logged and not repeated
 * before the next interval.
 */
export async function startClock(options: ClockOptions): Promise<Clock> {
  const { sql, sleep: wait = sleep } = options;
  const jobs = await sql<Job[]>`select * from private.clock_jobs()`;
  const [{ cron }] = await sql`select to_regprocedure('cron.run_due(timestamptz)') is not null as cron`;
  if (cron) jobs.push({ name: "cron", every_seconds: 30, kind: "sql", target: RUN_CRON, due: null });
  const stopped = new AbortController();
  const running = jobs.map(async (job) => {
    await wait(Math.min(job.every_seconds * 1000, FIRST_RUN_AFTER_MS), stopped.signal);
    while (!stopped.signal.aborted) {
      await runJob(job, options).catch((error) =>
        log.warn("a job of the clock failed", { job: job.name, error })
      );
      await wait(job.every_seconds * 1000, stopped.signal);
    }
  });
  return {
    async stop() {
      stopped.abort();
      await Promise.all(running);
    },
  };
}

/**
 * Runs a job once, unless it is not due. @throws if the statement fails or the function does not answer 2xx.
 */
export async function runJob(job: Job, { sql, url, secretKey }: ClockOptions): Promise<void> {
  if (job.kind === "sql") {
    await sql.unsafe(job.target);
    return;
  }
  if (job.due !== null) {
    const [{ due }] = await sql.unsafe<{ due: boolean }[]>(`select ${job.due} as due`);
    if (!due) return;
  }
  const response = await fetch(`${url}/functions/v1/${job.target}`, {
    method: "POST",
    headers: { apikey: secretKey, "content-type": "application/json" },
    body: "{}",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`the function ${job.target} answered ${response.status}`);
}

/** Waits `ms` milliseconds, or until the signal is aborted. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}
