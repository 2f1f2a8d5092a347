/**
 * `deno task deploy:check`: deploys every function with the real Supabase CLI to a stand-in for the Management API,
 * and proves that what was uploaded, and nothing else of this repository, works on the hosted runtime's Deno:
 * it is small, type-checks, starts in time, and answers on a real database.
 */
import { denos } from "../programs.ts";
import { type Finding, main } from "../report.ts";
import { ROOT } from "../../local/paths.ts";
import { startStack } from "../../tests/support/stack.ts";
import { ask, type Probe, PROBES, type Project } from "./probe.ts";
import { start } from "./process.ts";
import { bundleBytes, MAX_BUNDLE_BYTES, typeCheck, unpack, type Unpacked } from "./unpacked.ts";
import { MAX_UPLOAD_BYTES, size, upload } from "./upload.ts";

/**
 * Limit for the first answer of a fresh process: from the moment that the process is asked for, so with Deno's own
 * start, the reading and compiling of every module, and the first connection to the database, until the whole body
 * has been read. The median of `STARTS` starts counts, in the best of at most `ROUNDS` rounds.
 */
export const MAX_FIRST_ANSWER_MS = 300;
const STARTS = 5;
const ROUNDS = 5;

type Say = (finding: Finding) => void;
type DenoAt = { version: string; path: string; hosted: boolean };

/** Everything that needs no running project: upload, sizes, types. Returns what can be started. */
export async function checkUploads(workdir: string, into: string, versions: DenoAt[], say: Say) {
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

/** Starts one function, puts all of its probes to it, and takes the time of its first answer. */
export async function checkAnswers(
  unpacked: Unpacked,
  deno: DenoAt,
  project: Project,
  say: Say,
): Promise<void> {
  const { slug } = unpacked;
  const probes = PROBES[slug] ?? [];
  if (probes.length === 0) {
    say({ ok: false, what: `${slug}: has no probe; add one to tools/deploy/probe.ts` });
  }
  for (const probe of probes) {
    const running = await start(unpacked, deno.path, project);
    const wrong = await ask(probe, slug, running.origin, project);
    const printed = await running.stop();
    const detail = wrong && `${wrong}\nIt printed:\n${printed}`;
    say({ ok: wrong === undefined, what: `${slug}: ${probe.what}`, detail });
    if (wrong) return;
  }
  if (probes.length > 0) say(await firstAnswer(unpacked, deno, project, probes[0]));
}

async function firstAnswer(
  unpacked: Unpacked,
  deno: DenoAt,
  project: Project,
  probe: Probe,
): Promise<Finding> {
  let sinceStart = Infinity, sinceReady = Infinity;
  // A machine is busy with something else at times; a function that is slow is so in each round.
  for (let round = 0; round < ROUNDS && sinceStart > MAX_FIRST_ANSWER_MS; round++) {
    const times: [number, number][] = [];
    for (let i = 0; i < STARTS; i++) {
      const running = await start(unpacked, deno.path, project);
      await ask(probe, unpacked.slug, running.origin, project);
      const now = performance.now();
      times.push([now - running.spawnedAt, now - running.readyAt]);
      await running.stop();
    }
    sinceStart = median(times.map(([time]) => time));
    sinceReady = median(times.map(([, time]) => time));
  }
  const ok = sinceStart <= MAX_FIRST_ANSWER_MS;
  return {
    ok,
    what: `${unpacked.slug}: first answer ${sinceStart.toFixed(0)} ms after the start of a fresh process, ` +
      `${sinceReady.toFixed(0)} ms after it was ready (medians of ${STARTS})`,
    detail: ok ? "" : `the limit is ${MAX_FIRST_ANSWER_MS} ms; this was the last of ${ROUNDS} rounds; ` +
      `${
        Deno.loadavg()[0].toFixed(1)
      } processes wanted the ${navigator.hardwareConcurrency} cores of this machine`,
  };
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
