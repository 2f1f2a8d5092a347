/**
 * How long a fresh process of each function takes until its first answer: as uploaded by the real Supabase CLI, on the
 * hosted Deno and a real database, beside a function that imports nothing and answers `ok`.
 *
 * From the moment that the process is asked for, so with Deno's own start, the reading and compiling of every module,
 * and the first connection to the database, until the whole body has been read.
 */
import { join } from "node:path";
import { ROOT } from "../lib/paths.ts";
import { startStack } from "../tests/support/stack.ts";
import { ask, type Probe, PROBES, type Project } from "../tools/deploy/probe.ts";
import { start } from "../tools/deploy/process.ts";
import { fetchImports, unpack, type Unpacked } from "../tools/deploy/unpacked.ts";
import { upload } from "../tools/deploy/upload.ts";
import { hostedDeno } from "../lib/programs.ts";
import { median, print, type Row } from "./report.ts";

const STARTS = { whole: 9, quick: 1 };
const GOAL = "at most 300 ms";

const BARE = "bare";
const OK: Probe = { what: "answers ok", request: () => ({}), status: 200, type: "text/plain", body: "ok" };

interface Times {
  /** Milliseconds from the start of the process, and from when it took requests. */
  sinceStart: number[];
  sinceReady: number[];
}

/** Runs the bench; `--json` prints one JSON document, `--quick` does little. */
export async function main(args: string[]): Promise<void> {
  const starts = STARTS[args.includes("--quick") ? "quick" : "whole"];
  const hosted = await hostedDeno();
  const into = await Deno.makeTempDir({ prefix: "gatelink-bench-" });
  try {
    const functions = [await bare(into), ...await uploaded(into, hosted.path)];
    const stack = await startStack({ env: { DATABASE_URL: "" }, checked: false });
    try {
      const times = await measure(functions, hosted.path, stack.stack, starts);
      print(
        "deploy",
        `ms until the first answer of a fresh process of deno ${hosted.version}, medians of ${starts}`,
        rows(times),
        args.includes("--json"),
      );
    } finally {
      await stack.stop();
    }
  } finally {
    await Deno.remove(into, { recursive: true });
  }
}

/** The least that a function can be. */
async function bare(into: string): Promise<Unpacked> {
  const dir = join(into, BARE), entry = join(dir, "index.ts");
  await Deno.mkdir(dir);
  await Deno.writeTextFile(entry, `export default { fetch: () => new Response("ok") };\n`);
  return { slug: BARE, dir, entry, flags: ["--no-config", "--no-lock"] };
}

async function uploaded(into: string, deno: string): Promise<Unpacked[]> {
  const { uploads } = await upload(ROOT);
  const all: Unpacked[] = [];
  for (const one of uploads) {
    const unpacked = await unpack(one, into);
    const lacks = await fetchImports(unpacked, deno);
    if (lacks !== undefined) throw new Error(`${unpacked.slug}: ${lacks}`);
    all.push(unpacked);
  }
  return all;
}

/** Starts all of them in turn, again and again, so that what else the machine does meets all alike. */
async function measure(
  functions: readonly Unpacked[],
  deno: string,
  project: Project,
  starts: number,
): Promise<Map<string, Times>> {
  const times = new Map(
    functions.map(({ slug }): [string, Times] => [slug, { sinceStart: [], sinceReady: [] }]),
  );
  for (let i = 0; i < starts; i++) {
    for (const unpacked of functions) {
      const { slug } = unpacked;
      const running = await start(unpacked, deno, project);
      const wrong = await ask(slug === BARE ? OK : PROBES[slug][0], slug, running.origin, project);
      const now = performance.now();
      await running.stop();
      if (wrong !== undefined) throw new Error(`${slug}: ${wrong}`);
      times.get(slug)!.sinceStart.push(now - running.spawnedAt);
      times.get(slug)!.sinceReady.push(now - running.readyAt);
    }
  }
  return times;
}

function rows(times: Map<string, Times>): Row[] {
  const { sinceStart, sinceReady } = times.get(BARE)!;
  return [
    { what: "limit: a function that answers ok", value: median(sinceStart) },
    { what: "  of that after it was ready", value: median(sinceReady) },
    ...[...times].filter(([slug]) => slug !== BARE).flatMap(([slug, { sinceStart, sinceReady }]): Row[] => [
      { what: slug, value: median(sinceStart), goal: GOAL },
      { what: "  of that after it was ready", value: median(sinceReady) },
    ]),
  ];
}
