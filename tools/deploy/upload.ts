/**
 * Runs the real `supabase functions deploy --use-api` against the stand-in, and checks the upload and the
 * CLI's output.
 */
import { join } from "node:path";
import type { Upload } from "./management_api.ts";
import { startStandIn } from "./stand_in.ts";

/**
 * Largest upload of one function in bytes: its own modules and the import map. A budget of ours, far below what Supabase
 * takes, so that growth is noticed: the router carries each channel that it sends through.
 */
export const MAX_UPLOAD_BYTES = 1_650_000;

export interface DeployResult {
  /** By slug, in alphabetical order. */
  uploads: Upload[];
  /** The problems, as sentences; empty if there are none. */
  problems: string[];
}

/**
 * Deploys every function of a project to the stand-in.
 * @param workdir Folder that holds `supabase/`.
 */
export async function upload(workdir: string): Promise<DeployResult> {
  const { api, supabase, close } = await startStandIn();
  try {
    const { code, stdout, stderr } = await supabase([
      "functions",
      "deploy",
      "--use-api",
      "--workdir",
      workdir,
    ]);
    const uploads = [...api.uploads.values()].sort((a, b) => a.slug < b.slug ? -1 : 1);
    const problems = complaints(stdout + stderr);
    if (code !== 0) {
      problems.push(`supabase functions deploy ended with exit code ${code}: ${lastLine(stdout + stderr)}`);
    }
    problems.push(...await unequal(workdir, uploads), ...uploads.flatMap(judge));
    return { uploads, problems };
  } finally {
    await close();
  }
}

/** Total size of the files of one upload, in bytes. */
export function size(upload: Upload): number {
  return [...upload.files.values()].reduce((sum, file) => sum + file.byteLength, 0);
}

/**
 * The CLI's warnings. It exits with 0 after a warning, even if a file that it could not read is missing from
 * the upload and the deployed function cannot start.
 */
export function complaints(output: string): string[] {
  return output.split("\n").filter((line) => /^\s*(warn|error)/i.test(line)).map((line) => line.trim());
}

/** Checks that the function folders, the entries in config.toml and the uploads are the same set. */
async function unequal(workdir: string, uploads: Upload[]): Promise<string[]> {
  const config = await Deno.readTextFile(join(workdir, "supabase", "config.toml"));
  const entries = new Set([...config.matchAll(/^\[functions\.([\w-]+)\]/gm)].map((match) => match[1]));
  const folders = new Set<string>();
  for await (const entry of Deno.readDir(join(workdir, "supabase", "functions"))) {
    if (entry.isDirectory && !/^[_.]/.test(entry.name)) folders.add(entry.name);
  }
  const uploaded = new Set(uploads.map(({ slug }) => slug));
  const problems: string[] = [];
  for (const name of new Set([...entries, ...folders].sort())) {
    if (!entries.has(name)) problems.push(`${name}: no [functions.${name}] in supabase/config.toml`);
    if (!folders.has(name)) {
      problems.push(`${name}: in supabase/config.toml, but supabase/functions/${name} is not there`);
    }
    if (!uploaded.has(name)) problems.push(`${name}: was not uploaded`);
  }
  return problems;
}

function judge(upload: Upload): string[] {
  const { slug, metadata, files } = upload;
  const problems: string[] = [];
  const say = (text: string) => problems.push(`${slug}: ${text}`);
  const bytes = size(upload);
  if (bytes > MAX_UPLOAD_BYTES) say(`uploads ${bytes} bytes, more than ${MAX_UPLOAD_BYTES}`);
  // Supabase's own default is true, which would refuse Meta before the function is asked.
  if (metadata.verify_jwt !== false) say(`verify_jwt is not false in supabase/config.toml`);
  if (!files.has(metadata.entrypoint_path)) {
    say(`its entry point ${metadata.entrypoint_path} was not uploaded`);
  }
  if (metadata.import_map_path !== "deno.json") {
    say(`import_map is not "../deno.json" in supabase/config.toml`);
  }
  for (const path of files.keys()) {
    const ours = path === metadata.import_map_path || path.startsWith("supabase/functions/");
    if (!ours || path.endsWith("_test.ts")) say(`uploads ${path}, which no function needs`);
  }
  return problems;
}

function lastLine(output: string): string {
  return output.trim().split("\n").at(-1) ?? "";
}
