/** Which tests a change can reach: by the graph of imports, and by what helpers start or read without importing it. */
import { ROOT } from "../../lib/paths.ts";
import { type Graph, graphOf } from "./imports.ts";

/**
 * What a module reaches without an import: programs that it starts and files that it reads, as paths from the root; one
 * that ends in a slash stands for all that is below. On the module that does it, so that it follows the imports; on the
 * test where the module does it to whatever checkout it is given.
 */
export const REACHES: Readonly<Record<string, readonly string[]>> = {
  "cli/core/checkout.ts": ["supabase/config.toml"],
  "cli/commands/drill/project.ts": ["supabase/"],
  "cli/commands/drill/stack.ts": ["local/start.ts"],
  "lib/flag_places.ts": ["supabase/functions/", "supabase/migrations/"],
  "cli/core/functions_state.ts": ["supabase/functions/"],
  "cli/commands/gates/run.ts": [],
  "cli/commands/rollback/irreversible.ts": ["supabase/migrations/"],
  "cli/commands/setup/functions.ts": ["supabase/functions/"],
  "cli/commands/setup/run_upgrade.ts": [],
  "cli/commands/replay/recorded_test.ts": ["tests/fixtures/whatsapp/"],
  "cli/reference.ts": ["docs/cli.md"],
  "cli/commands/rollback/code.ts": [],
  "cli/commands/traffic/deploy.ts": ["supabase/"],
  "cli/commands/traffic/retire.ts": ["supabase/"],
  "cli/commands/rollback/database.ts": ["supabase/migrations/"],
  "lib/reply_token_test.ts": ["lib/replyToken.js"],
  "lib/version.ts": ["VERSION"],
  "local/database/database.ts": ["supabase/migrations/"],
  "local/functions/functions.ts": ["supabase/config.toml"],
  "local/functions/process.ts": ["local/functions/host.ts"],
  "lib/migrate.ts": ["supabase/migrations/"],
  "local/options.ts": ["supabase/functions/"],
  "local/panel/build.ts": ["admin/", "docs/", "supabase/functions/_shared/"],
  "local/simulator/mod.ts": ["local/simulator/page/"],
  "local/simulator/mod_test.ts": ["local/simulator/page/"],
  "local/simulator/samples.ts": ["local/simulator/samples/"],
  "tests/unit/analysis_corpus_test.ts": ["tests/fixtures/analysis/"],
  "tests/unit/analysis_injections_test.ts": ["tests/fixtures/analysis/"],
  "bench/analysis.ts": ["tests/fixtures/analysis/"],
  "tests/unit/poaching_corpus_test.ts": ["tests/fixtures/poaching/"],
  "bench/poaching.ts": ["tests/fixtures/poaching/"],
  "supabase/functions/_shared/channels/whatsapp/inbound/updates_test.ts": ["tests/fixtures/whatsapp/"],
  "supabase/functions/_shared/channels/whatsapp/own_webhook_test.ts": ["tests/fixtures/whatsapp/"],
  "supabase/functions/_shared/db/schema_test.ts": ["supabase/migrations/"],
  "supabase/functions/_shared/log/log_test.ts": ["supabase/functions/"],
  "supabase/functions/metrics/metrics_test.ts": ["supabase/config.toml"],
  "tests/database/email_plan_test.ts": ["tests/fixtures/plans/", "supabase/migrations/"],
  "tests/browser/admin_jobs_test.ts": ["docs/panel.md"],
  "tests/browser/admin_messages_test.ts": ["local/simulator/samples/"],
  "tests/cli/answers_test.ts": ["tests/fixtures/answers.json"],
  "tests/cli/cli_test.ts": ["cli/main.ts"],
  "tests/cli/gates_test.ts": ["README.md", "docs/", "ops/", "supabase/"],
  "tests/cli/green_gates_test.ts": ["ops/"],
  "tests/contracts/architecture_docs_test.ts": ["README.md", "docs/"],
  "tests/contracts/docs_test.ts": [
    ...[
      ".ci/",
      "CHANGELOG.md",
      "CONTRIBUTING.md",
      "LICENSE",
      "README.md",
      "SECURITY.md",
      "admin/README.md",
      "docs/",
    ],
    ...["cli/main.ts", "supabase/"],
  ],
  "tests/contracts/guard_bound_test.ts": ["docs/rollouts.md"],
  "tests/contracts/layers_test.ts": ["supabase/functions/"],
  "tests/contracts/links_fields_test.ts": ["admin/src/", "cli/", "docs/", "lib/", "local/", "supabase/"],
  "tests/contracts/limits_test.ts": [
    ...["admin/src/", "cli/", "docs/architecture.md", "supabase/functions/", "supabase/schema.sql"],
  ],
  "tests/contracts/incident_runbook_test.ts": ["docs/"],
  "tests/contracts/manual_test.ts": ["docs/manual.md", "tests/", "supabase/functions/"],
  "tests/contracts/plans_docs_test.ts": ["docs/plans.md", "lib/", "supabase/migrations/", "tests/"],
  "tests/cli/reply_tracking_script_test.ts": ["scripts/", "cli/", "lib/"],
  "tests/contracts/openapi_test.ts": ["supabase/config.toml"],
  "tests/contracts/mail_ops_test.ts": ["docs/", "ops/", "supabase/functions/"],
  "tests/contracts/ops_test.ts": ["docs/", "ops/"],
  "tests/contracts/panel_docs_test.ts": ["admin/src/shell/pages.ts", "docs/"],
  "tests/contracts/panel_sources_test.ts": ["admin/src/", "docs/cli.md"],
  "tests/contracts/routing_docs_test.ts": ["docs/"],
  "tests/contracts/tasks_test.ts": ["admin/", "cli/main.ts", "local/start.ts", "tests/run.ts", "tools/"],
  "tests/contracts/unbounded_reads_test.ts": ["admin/src/", "cli/"],
  "tests/contracts/workflows_test.ts": [".ci/", ".github/", ".vscode/", "SECURITY.md"],
  "tests/database/contract_test.ts": ["docs/"],
  "tests/database/migrations_test.ts": ["supabase/migrations/"],
  "tests/database/retention_test.ts": ["docs/"],
  "tests/database/rollback_database_test.ts": ["supabase/migrations/"],
  "tests/functions/addresses_test.ts": ["tests/cases/addresses.json"],
  "tests/functions/email_rollback_test.ts": ["tests/fixtures/plans/"],
  "tests/functions/standard_receiver_test.ts": ["tests/support/standard_service.mjs"],
  "tests/functions/leaks_test.ts": ["tests/support/logged_run.ts"],
  "tests/functions/schema_breaks_test.ts": ["supabase/functions/", "supabase/migrations/"],
  "tests/functions/webhook_test.ts": ["tests/fixtures/whatsapp/"],
  "tests/runner/changed.ts": [],
  "tests/runner/imports.ts": [],
  "tests/runner/job_test.ts": [],
  "tests/runner/changed_test.ts": ["cli/", "local/", "supabase/functions/", "tests/", "tools/"],
  "tests/slow/benches_test.ts": ["bench/"],
  "tests/slow/db_push_test.ts": ["supabase/"],
  "tests/slow/deploy_test.ts": ["supabase/"],
  "tests/slow/drill_test.ts": ["cli/main.ts", "supabase/"],
  "tests/slow/green_deploy_test.ts": ["supabase/"],
  "tests/slow/hosted_test.ts": [
    "supabase/functions/_shared/crypto/",
    "supabase/functions/_shared/delivery/",
    "supabase/functions/_shared/http/",
    "supabase/functions/_shared/json/",
  ],
  "tests/slow/patterns_test.ts": ["supabase/functions/"],
  "tests/slow/package_test.ts": ["tools/release/release.ts"],
  "tests/stack/email_worker_test.ts": ["ops/cloudflare/"],
  "tests/stack/examples_test.ts": ["examples/"],
  "tests/stack/first_rollout_test.ts": ["docs/first-rollout.md", "examples/", "cli/main.ts"],
  "tests/stack/link_domain_nginx_test.ts": ["docs/deploy.md"],
  "tests/stack/link_domain_test.ts": ["docs/deploy.md"],
  "tests/stack/postgres_test.ts": [],
  "tests/stack/stack_test.ts": ["local/start.ts"],
  "tests/support/kept_cluster.ts": ["supabase/migrations/"],
  "tests/support/answers_test.ts": ["tests/support/answers_held.ts"],
  "tests/support/edge.ts": ["supabase/functions/"],
  "tests/support/gatelink.ts": ["cli/main.ts"],
  "tests/support/guard_test.ts": ["tests/support/guard.ts"],
  "tests/support/openapi.ts": ["docs/openapi.yaml"],
  "tests/support/panel.ts": ["admin/"],
  "tests/support/promtool.ts": ["ops/"],
  "tests/stack/plan_tasks_test.ts": ["cli/main.ts", "scripts/"],
  "tests/stack/two_environments_test.ts": ["ops/scripts/"],
  "tests/contracts/ops_scripts_test.ts": ["ops/scripts/"],
  "tests/stack/traffic_proxies_test.ts": ["ops/traffic/"],
  "tests/contracts/traffic_worker_test.ts": ["ops/traffic/"],
  "tests/support/green.ts": ["supabase/functions/"],
  "tests/support/stack.ts": ["tests/support/checked_start.ts", "tests/support/tied_start.ts"],
  "tests/support/checked_start.ts": ["tests/support/tied_start.ts"],
  "tests/support/worker.ts": ["tests/support/worker.mjs"],
  "tests/support/whatsapp_bodies.ts": ["tests/fixtures/whatsapp/"],
  "tools/admin_shots/admin_shots.ts": [],
  "tools/analysis/train.ts": ["supabase/functions/_shared/analysis/weights.ts", "tests/fixtures/analysis/"],
  "tools/check.ts": [],
  "tools/deploy/check.ts": ["supabase/"],
  "tools/deploy/process.ts": ["tools/deploy/serve.ts"],
  "tools/docs/errors.ts": ["docs/errors.md"],
  "tools/docs/flags.ts": ["docs/flags.md"],
  "tools/docs/openapi.ts": ["docs/openapi.yaml"],
  "tools/docs/phone_plans.ts": ["supabase/functions/_shared/masking/poaching/phone_plans.ts"],
  "tools/lint_sql.ts": ["supabase/migrations/"],
  "tools/ok.ts": [],
  "tools/release/pack.ts": [
    ...["LICENSE", "VERSION", "cli/node.ts", "tools/release/package.md", "tools/release/vite.config.ts"],
  ],
  "tools/release/release.ts": ["CHANGELOG.md", "VERSION"],
  "tools/docs/database_types.ts": ["supabase/functions/_shared/contract/database.ts"],
  "tools/docs/schema_sql.ts": ["supabase/schema.sql"],
};

/** Files that every test depends on: each job is run with them. */
export const EVERYWHERE =
  /^(deno\.(json|lock)|tests\/run\.ts|tests\/runner\/job\.ts|tests\/support\/guard\.ts)$/;
/** Files that no test depends on. */
const INERT = /^(bench\/|\.gitignore$|\.editorconfig$)/;

/**
 * The test files, of these, that changes since a commit can reach. A changed file that nothing is known of reaches
 * all.
 * @throws TypeError when git does not know the commit.
 */
export async function affected(files: readonly string[], commit: string): Promise<string[]> {
  const started = Object.values(REACHES).flat().filter((path) => path.endsWith(".ts"));
  return reachedBy(await changedSince(commit), files, await graphOf([...files, ...started]));
}

/** As above, on what is known. */
export function reachedBy(changed: readonly string[], files: readonly string[], graph: Graph): string[] {
  if (changed.some((path) => EVERYWHERE.test(path))) return [...files];
  const lively = changed.filter((path) => !INERT.test(path));
  const reached = new Map(files.map((file) => [file, deliveryConfigOf(file, graph)]));
  const covers = (places: ReadonlySet<string>, path: string) =>
    [...places].some((place) => place === path || place.endsWith("/") && path.startsWith(place));
  const known = (path: string) => [...reached.values()].some((places) => covers(places, path));
  if (lively.some((path) => !known(path) && !/\.tsx?$/.test(path))) return [...files];
  return files.filter((file) => lively.some((path) => covers(reached.get(file)!, path)));
}

/** All that a module reaches, itself included: modules, and what {@linkcode REACHES} says of them. */
function deliveryConfigOf(file: string, graph: Graph): Set<string> {
  const found = new Set<string>(), open = [file];
  for (let path; (path = open.pop()) !== undefined;) {
    if (found.has(path)) continue;
    found.add(path);
    open.push(...graph.get(path) ?? [], ...REACHES[path] ?? []);
  }
  return found;
}

/** Paths of what git calls changed, untracked files included. */
async function changedSince(commit: string): Promise<string[]> {
  const git = async (args: string[]) => {
    const { success, stdout, stderr } = await new Deno.Command("git", { args, cwd: ROOT }).output();
    const text = new TextDecoder();
    if (!success) throw new TypeError(`git ${args[0]} failed: ${text.decode(stderr).trim()}`);
    return text.decode(stdout).split("\0").filter((path) => path !== "");
  };
  return [
    ...await git(["diff", "--name-only", "--no-renames", "-z", commit, "--"]),
    ...await git(["ls-files", "--others", "--exclude-standard", "-z"]),
  ];
}
