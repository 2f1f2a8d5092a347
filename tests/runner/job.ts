/** One job: a `deno test` of its own, run to its end, and what came of it. */
import { join } from "node:path";
import { ROOT } from "../../local/paths.ts";
import type { Job, Tier } from "./tiers.ts";

export interface Result {
  job: Job;
  passed: number;
  failed: number;
  ignored: number;
  /** All that it printed. */
  output: string;
  ms: number;
}

/** No job may take longer; the machine may be busy with much else. */
const LIMIT_MS = 20 * 60_000;

/**
 * Variables of whoever runs the tests that the code under test would take for its own: a test must not find somebody's
 * project, nor write into somebody's database.
 */
const FOREIGN =
  /^(SUPABASE_|WHATSAPP_|GATELINK_|CLIENT_IP_HEADER$|DATABASE_URL$|LINK_DOMAIN$|LOG_LEVEL$|[A-Z0-9_]+_ENABLED$|ENABLE_[A-Z0-9_]+$|DYNAMIC_ROUTING$|EMAIL_REPLIES$|INIT_CWD$)/;

/** This process's environment without them. */
export function cleanEnvironment(environment: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !FOREIGN.test(name)));
}

/** Tiers in which a test starts all that it uses: beside a stack whose output is read meanwhile, something is always open. */
const SANITIZED: ReadonlySet<Tier> = new Set(["unit", "database", "functions"]);

export interface JobOptions {
  /** Added to the clean environment. */
  env: Record<string, string>;
  /** More arguments of `deno test`. */
  args: string[];
  /** Ends the job when it is aborted. */
  signal: AbortSignal;
}

/** Runs a job. What it does not count, such as a file that cannot be loaded, is one failure. */
export async function runJob(job: Job, { env, args, signal }: JobOptions): Promise<Result> {
  const began = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "test",
      "--allow-all",
      // `deno task check` has looked at the types.
      "--no-check",
      ...SANITIZED.has(job.tier) ? ["--sanitize-ops", "--sanitize-resources"] : [],
      `--preload=${join(ROOT, "tests", "support", "guard.ts")}`,
      ...args,
      ...job.files,
    ],
    cwd: ROOT,
    // The packages under test report nothing to anybody.
    env: { ...cleanEnvironment(Deno.env.toObject()), DO_NOT_TRACK: "1", ...env },
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let output = "";
  const collect = async (stream: ReadableStream<Uint8Array>) => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) output += text;
  };
  const end = () => {
    try {
      child.kill("SIGTERM");
    } catch {
      // It is gone already.
    }
  };
  signal.addEventListener("abort", end);
  const late = setTimeout(() => {
    output += `\nStopped: it took more than ${LIMIT_MS / 60_000} minutes.\n`;
    child.kill("SIGKILL");
  }, LIMIT_MS);
  const [{ code }] = await Promise.all([child.status, collect(child.stdout), collect(child.stderr)]);
  clearTimeout(late);
  signal.removeEventListener("abort", end);
  return { job, ...counted(output, code), output, ms: performance.now() - began };
}

/** What Deno's closing line counts. */
export function counted(output: string, code: number): { passed: number; failed: number; ignored: number } {
  // deno-lint-ignore no-control-regex
  const plain = output.replaceAll(/\x1b\[[0-9;]*m/g, "");
  const line = [
    ...plain.matchAll(/^(?:ok|FAILED) \| (\d+) passed[^|\n]*\| (\d+) failed[^|\n]*(?:\| (\d+) ignored)?/gm),
  ].at(-1);
  const [passed, failed, ignored] = line ? line.slice(1).map((count) => Number(count ?? 0)) : [0, 0, 0];
  const silent = failed === 0 && (code !== 0 || line === undefined);
  return { passed, failed: silent ? 1 : failed, ignored };
}
