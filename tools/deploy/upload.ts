/**
 * Runs the real `supabase functions deploy --use-api` against the stand-in, and judges what was uploaded and what
 * the CLI said.
 */
import { join } from "node:path";
import { npx, SUPABASE } from "../programs.ts";
import { startManagementApi, type Upload } from "./management_api.ts";

/** Most bytes that one function may upload: its own modules and the import map. */
export const MAX_UPLOAD_BYTES = 1_000_000;

/** The CLI asks for an access token and a project of these shapes; the stand-in knows no others. */
const TOKEN = `sbp_${"0".repeat(40)}`;
const PROJECT = "gatelinkdeploycheckx";

export interface DeployResult {
  /** By slug, in alphabetical order. */
  uploads: Upload[];
  /** What is wrong, in sentences; empty when all is well. */
  problems: string[];
}

/**
 * Deploys every function of a project to the stand-in.
 * @param workdir Folder that holds `supabase/`.
 */
export async function upload(workdir: string): Promise<DeployResult> {
  const home = await Deno.makeTempDir({ prefix: "gatelink-deploy-" });
  const api = startManagementApi(TOKEN);
  try {
    const profile = join(home, "profile.yaml");
    // How the CLI is pointed at another Management API; `project_host` is only for printing.
    await Deno.writeTextFile(
      profile,
      `name: loopback\napi_url: ${api.url}\ndashboard_url: ${api.url}\nproject_host: localhost\n`,
    );
    const { code, stdout, stderr } = await npx(
      SUPABASE,
      ["functions", "deploy", "--use-api", "--yes", `--remote=${PROJECT}`, "--workdir", workdir],
      {
        env: {
          SUPABASE_PROFILE: profile,
          SUPABASE_ACCESS_TOKEN: TOKEN,
          // Its own state, so that neither a developer's log-in is used nor anything is left behind.
          SUPABASE_HOME: home,
          SUPABASE_NO_KEYRING: "1",
          SUPABASE_NO_UPDATE_NOTIFIER: "1",
          SUPABASE_TELEMETRY_DISABLED: "1",
          SUPABASE_API_MAX_RETRIES: "0",
          NO_COLOR: "1",
        },
      },
    );
    const uploads = [...api.uploads.values()].sort((a, b) => a.slug < b.slug ? -1 : 1);
    const problems = complaints(stdout + stderr);
    if (code !== 0) {
      problems.push(`supabase functions deploy ended with exit code ${code}: ${lastLine(stdout + stderr)}`);
    }
    problems.push(...await unequal(workdir, uploads), ...uploads.flatMap(judge));
    return { uploads, problems };
  } finally {
    await api.close();
    await Deno.remove(home, { recursive: true });
  }
}

/** Bytes of all files of one upload. */
export function size(upload: Upload): number {
  return [...upload.files.values()].reduce((sum, file) => sum + file.byteLength, 0);
}

/**
 * The CLI's warnings. It exits with 0 after a warning, though a file that it could not read is then missing from
 * the upload and the deployed function does not start.
 */
export function complaints(output: string): string[] {
  return output.split("\n").filter((line) => /^\s*(warn|error)/i.test(line)).map((line) => line.trim());
}

/** Folders of functions, entries in config.toml and uploads have to be the same set. */
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
