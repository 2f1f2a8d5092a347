/**
 * `deno task deploy:check`: deploys every function with the real Supabase CLI to a stand-in for the
 * Management API, and proves that the uploaded files alone work on the hosted runtime's Deno: the upload is
 * small and complete, starts, and answers on a real database. `deno task check` checks the types, with the
 * same Deno.
 */
import { hostedDeno } from "../../lib/programs.ts";
import { type Finding, main } from "../report.ts";
import { ROOT } from "../../lib/paths.ts";
import { startStack } from "../../tests/support/stack.ts";
import { ask, PROBES, type Project } from "./probe.ts";
import { start } from "./process.ts";
import { bundleBytes, fetchImports, MAX_BUNDLE_BYTES, unpack, type Unpacked } from "./unpacked.ts";
import { MAX_UPLOAD_BYTES, size, upload } from "./upload.ts";

/** A slower first response counts as hanging. `deno task bench deploy` measures the actual time. */
const MAX_FIRST_ANSWER_MS = 10_000;

type Say = (finding: Finding) => void;
type DenoAt = { version: string; path: string };

/** Everything that needs no running project: upload, sizes, completeness. Returns what can be started. */
export async function checkUploads(workdir: string, into: string, { version, path }: DenoAt, say: Say) {
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
    const lacks = await fetchImports(unpacked, path);
    say({
      ok: lacks === undefined,
      what: `${slug}: all its imports exist under deno ${version}`,
      detail: lacks,
    });
    if (lacks !== undefined) continue;
    startable.push(unpacked);
    const bytes = await bundleBytes(unpacked, path);
    say({
      ok: bytes <= MAX_BUNDLE_BYTES,
      what: `${slug}: bundle with its packages about ${kilobytes(bytes)}`,
    });
  }
  return startable;
}

/** Starts one function and runs all of its probes. */
export async function checkAnswers(
  unpacked: Unpacked,
  deno: DenoAt,
  project: Project,
  say: Say,
): Promise<void> {
  const { slug } = unpacked;
  const probes = PROBES[slug] ?? [];
  if (probes.length === 0) {
    return say({ ok: false, what: `${slug}: has no probe; add one to tools/deploy/probe.ts` });
  }
  const running = await start(unpacked, deno.path, project);
  const findings: Finding[] = [];
  for (const [i, probe] of probes.entries()) {
    const wrong = await ask(probe, slug, running.origin, project);
    const took = performance.now() - running.spawnedAt;
    findings.push({ ok: wrong === undefined, what: `${slug}: ${probe.what}`, detail: wrong });
    if (wrong !== undefined) break;
    if (i > 0) continue;
    findings.push({
      ok: took <= MAX_FIRST_ANSWER_MS,
      what: `${slug}: first answer ${took.toFixed(0)} ms after the start of a fresh process`,
    });
  }
  const printed = await running.stop();
  for (const finding of findings) {
    say(finding.ok ? finding : { ...finding, detail: `${finding.detail ?? ""}\nIt printed:\n${printed}` });
  }
}

function kilobytes(bytes: number): string {
  return `${(bytes / 1000).toFixed(0)} kB`;
}

if (import.meta.main) {
  await main({
    name: "deploy:check",
    description: "Deploy every function to a simulated Supabase and run the upload on the hosted Deno.",
    run: async (say) => {
      const into = await Deno.makeTempDir({ prefix: "gatelink-uploads-" });
      try {
        const hosted = await hostedDeno();
        const startable = await checkUploads(ROOT, into, hosted, say);
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
