/** Runs the real Supabase CLI with a stand-in for Supabase's Management API. */
import { join } from "node:path";
import { type Ended, npx, SUPABASE } from "../../lib/programs.ts";
import { type Effects, type ManagementApi, startManagementApi } from "./management_api.ts";

/**
 * The CLI requires an access token and a project reference of these forms; the stand-in accepts only these.
 */
const TOKEN = `sbp_${"0".repeat(40)}`;
const PROJECT = "gatelinkdeploycheckx";

/** The CLI and its stand-in. */
export interface StandIn {
  api: ManagementApi;
  /** Reference of its project. */
  ref: string;
  /** Environment that points the CLI to the stand-in and leaves nothing behind. */
  env: Record<string, string>;
  /** Runs `supabase <args>` on the stand-in's project, without prompts. */
  supabase(args: string[]): Promise<Ended>;
  close(): Promise<void>;
}

/** Starts a stand-in; parameters as for {@linkcode startManagementApi}. */
export async function startStandIn(
  effects?: Effects,
  secrets?: Record<string, string>,
  secretsAt?: Date,
): Promise<StandIn> {
  const home = await Deno.makeTempDir({ prefix: "gatelink-deploy-" });
  const api = startManagementApi(TOKEN, effects, secrets, secretsAt);
  const profile = join(home, "profile.yaml");
  // How the CLI is pointed at another Management API; `project_host` is only for printing.
  await Deno.writeTextFile(
    profile,
    `name: loopback\napi_url: ${api.url}\ndashboard_url: ${api.url}\nproject_host: localhost\n`,
  );
  const env = {
    SUPABASE_PROFILE: profile,
    SUPABASE_ACCESS_TOKEN: TOKEN,
    // Its own state, so that neither a developer's log-in is used nor anything is left behind.
    SUPABASE_HOME: home,
    SUPABASE_NO_KEYRING: "1",
    SUPABASE_NO_UPDATE_NOTIFIER: "1",
    SUPABASE_TELEMETRY_DISABLED: "1",
    SUPABASE_API_MAX_RETRIES: "0",
    NO_COLOR: "1",
  };
  return {
    api,
    ref: PROJECT,
    env,
    supabase: (args) => npx(SUPABASE, [...args, "--yes", `--remote=${PROJECT}`], { env }),
    async close() {
      await api.close();
      await Deno.remove(home, { recursive: true });
    },
  };
}
