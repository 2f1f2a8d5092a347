/**
 * `deno task deploy:check`: deploys every function with the real Supabase CLI to a stand-in for the Management API,
 * and proves that what was uploaded, and nothing else of this repository, works on the hosted runtime's Deno:
 * it is small, type-checks, starts in time, and answers on a real database.
 */
import { denos } from "../programs.ts";
import { type Finding, main } from "../report.ts";
import { ROOT } from "../../local/paths.ts";
import { startStack } from "../../tests/support/stack.ts";
import { ask, PROBES, type Project } from "./probe.ts";
import { start } from "./process.ts";
import { bundleBytes, MAX_BUNDLE_BYTES, typeCheck, unpack, type Unpacked } from "./unpacked.ts";
import { MAX_UPLOAD_BYTES, size, upload } from "./upload.ts";

/**
 * Limit for the first answer of a fresh process: from the moment that the process is asked for, so with Deno's own
 * start, the reading and compiling of every module, and the first connection to the database, until the whole body
 * has been read. The median of `STARTS` starts counts.
 */
export const MAX_FIRST_ANSWER_MS = 300;
const STARTS = 5;

type Say = (finding: Finding) => void;
type Deno2 = { version: string; path: string; hosted: boolean };

/** Everything that needs no running project: upload, sizes, types. Returns what can be started. */
export async function checkUploads(workdir: string, into: string, versions: Deno2[], say: Say) {
  const { uploads, problems } = await upload(workdir);
  for (const problem of problems) say({ ok: false, what: problem });
  const startable: Unpacked[] = [];
  for (const uploaded of uploads) {
    const unpacked = await unpack(uploaded, into);
    const { slug } = unpacked;
    say({
      ok: size(uploaded) <= MAX_UPLOAD_BYTES,
      what: `${slug}: uploads ${uploaded.files.size} files, ${kilobytes(size(uploaded))}`,
    });
    let sound = true;
    for (const { version, path, hosted } of versions) {
      const errors = await typeCheck(unpacked, path);
      say({ ok: errors === undefined, what: `${slug}: type-checks under deno ${version}`, detail: errors });
      sound &&= errors === undefined;
      if (hosted && errors === undefined) {
        const bytes = await bundleBytes(unpacked, path);
        say({
          ok: bytes <= MAX_BUNDLE_BYTES,
          what: `${slug}: bundle with its packages about ${kilobytes(bytes)}`,
        });
      }
    }
    if (sound) startable.push(unpacked);
  }
  return startable;
}

/** Starts one function several times, takes the time of its first answer, and puts all of its probes to it. */
export async function checkAnswers(
  unpacked: Unpacked,
  deno: Deno2,
  project: Project,
  say: Say,
): Promise<void> {
  const { slug } = unpacked;
  const [first, ...others] = PROBES[slug] ?? [];
  if (!first) return say({ ok: false, what: `${slug}: has no probe; add one to tools/deploy/probe.ts` });
  const times: { sinceStart: number; sinceReady: number }[] = [];
  for (let i = 0; i < STARTS; i++) {
    const running = await start(unpacked, deno.path, project);
    let wrong = await ask(first, slug, running.origin, project);
    const now = performance.now();
    times.push({ sinceStart: now - running.spawnedAt, sinceReady: now - running.readyAt });
    const last = i === STARTS - 1 || wrong !== undefined;
    const findings: Finding[] = last
      ? [{ ok: wrong === undefined, what: `${slug}: ${first.what}`, detail: wrong }]
      : [];
    for (const probe of last && wrong === undefined ? others : []) {
      wrong = await ask(probe, slug, running.origin, project);
      findings.push({ ok: wrong === undefined, what: `${slug}: ${probe.what}`, detail: wrong });
    }
    const printed = await running.stop();
    for (const finding of findings) {
      say(finding.ok ? finding : { ...finding, detail: `${finding.detail}\nIt printed:\n${printed}` });
    }
    if (last && wrong !== undefined) return;
  }
  const sinceStart = median(times.map((time) => time.sinceStart));
  const sinceReady = median(times.map((time) => time.sinceReady));
  say({
    ok: sinceStart <= MAX_FIRST_ANSWER_MS,
    what: `${slug}: first answer ${sinceStart.toFixed(0)} ms after the start of a fresh process, ` +
      `${sinceReady.toFixed(0)} ms after it was ready (medians of ${STARTS})`,
    detail: sinceStart <= MAX_FIRST_ANSWER_MS ? "" : `the limit is ${MAX_FIRST_ANSWER_MS} ms`,
  });
}

/** The middle value; the mean of the two middle ones of an even number. */
export function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  return (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2;
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(0)} kB`;
}

if (import.meta.main) {
  await main({
    name: "deploy:check",
    description:
      "Deploy every function to a stand-in for Supabase and run what was uploaded on the hosted Deno.",
    run: async (say) => {
      const into = await Deno.makeTempDir({ prefix: "gatelink-uploads-" });
      try {
        const versions = await denos();
        const startable = await checkUploads(ROOT, into, versions, say);
        const hosted = versions.find(({ hosted }) => hosted)!;
        // Real Postgres and Data API behind the functions, and never the database of whoever runs this.
        const stack = await startStack({ env: { DATABASE_URL: "" } });
        try {
          for (const unpacked of startable) await checkAnswers(unpacked, hosted, stack.stack, say);
        } finally {
          await stack.stop();
        }
      } finally {
        await Deno.remove(into, { recursive: true });
      }
    },
  });
}
