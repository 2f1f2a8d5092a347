/** One job: a `deno test` of its own, run to its end, and what came of it. */
import { join } from "node:path";
import { ROOT } from "../../lib/paths.ts";
import { VARIABLE_NAMES } from "../../supabase/functions/_shared/config/env.ts";
import { descendants, endAll, send } from "./descendants.ts";
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
/** So long its pipes are read when it has ended: what a test left running may hold them open for ever. */
const GRACE_MS = 5_000;

/**
 * Variables of whoever runs the tests that the code under test would take for its own: a test must not find somebody's
 * project, nor write into somebody's database.
 */
const FOREIGN =
  /^(SUPABASE_|WHATSAPP_|GATELINK_|GITHUB_|DATABASE_URL$|LOG_LEVEL$|[A-Z0-9_]+_ENABLED$|ENABLE_[A-Z0-9_]+$|DYNAMIC_ROUTING$|EMAIL_REPLIES$|INIT_CWD$)/;
const READ: ReadonlySet<string> = new Set(VARIABLE_NAMES);

/** This process's environment without them. */
export function cleanEnvironment(environment: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !FOREIGN.test(name) && !READ.has(name)),
  );
}

/** Tiers in which a test starts all that it uses: beside a stack whose output is read meanwhile, something is always open. */
const SANITIZED: ReadonlySet<Tier> = new Set(["unit", "database", "functions"]);

export interface JobOptions {
  /** Added to the clean environment. */
  env: Record<string, string>;
  /** More arguments of `deno test`. */
  args: string[];
  /** Whether some tests are chosen by name, so that there may be none. @default {false} */
  chosen?: boolean;
  /** Ends the job, and all that it has started, when it is aborted. */
  signal: AbortSignal;
}

/** Runs a job. What it does not count, such as a file that cannot be loaded, is one failure. */
export async function runJob(job: Job, { env, args, chosen, signal }: JobOptions): Promise<Result> {
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
  let output = "", counting = "";
  const enough = new AbortController();
  const collect = (stream: ReadableStream<Uint8Array>, use: (text: string) => void) =>
    stream.pipeThrough(new TextDecoderStream())
      .pipeTo(new WritableStream({ write: use }), { signal: enough.signal }).catch(() => {});
  const read = Promise.all([
    collect(child.stdout, (text) => (output += text, counting += text)),
    collect(child.stderr, (text) => output += text),
  ]);

  let below: Promise<void> | undefined;
  /** Ends it with all that it has started, which would live on without it. */
  const end = (how: Deno.Signal) => {
    below ??= endAll(descendants(child.pid));
    send(child.pid, how);
  };
  const stop = () => end("SIGTERM");
  signal.addEventListener("abort", stop);
  const late = setTimeout(() => {
    output += `\nStopped: it took more than ${LIMIT_MS / 60_000} minutes.\n`;
    end("SIGKILL");
  }, LIMIT_MS);
  const { code } = await child.status;
  clearTimeout(late);
  signal.removeEventListener("abort", stop);
  await below;
  const grace = setTimeout(() => enough.abort(), GRACE_MS);
  await read;
  clearTimeout(grace);

  const counts = counted(counting, code, chosen);
  if (counts.passed + counts.ignored === 0 && code === 0 && !chosen) output += "\nThere is no test in it.\n";
  return { job, ...counts, output, ms: performance.now() - began };
}

/** What Deno's closing line counts. Whoever chose no tests by name has to see some. */
export function counted(
  output: string,
  code: number,
  chosen = false,
): { passed: number; failed: number; ignored: number } {
  // deno-lint-ignore no-control-regex
  const plain = output.replaceAll(/\x1b\[[0-9;]*m/g, "");
  const line = [
    ...plain.matchAll(/^(?:ok|FAILED) \| (\d+) passed[^|\n]*\| (\d+) failed[^|\n]*(?:\| (\d+) ignored)?/gm),
  ].at(-1);
  const [passed, failed, ignored] = line ? line.slice(1).map((count) => Number(count ?? 0)) : [0, 0, 0];
  const empty = !chosen && passed + ignored === 0;
  const silent = failed === 0 && (code !== 0 || line === undefined || empty);
  return { passed, failed: silent ? 1 : failed, ignored };
}
