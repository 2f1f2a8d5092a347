/**
 * `deno task lint:sql`: checks the migrations with squawk (locks, time limits, types), and the resulting
 * database with Supabase's advisors (RLS, search paths, indexes), on a fresh Postgres.
 */
import { join, relative } from "node:path";
import { listMigrations } from "../lib/migrate.ts";
import { MIGRATIONS, ROOT } from "../lib/paths.ts";
import { startTestCluster } from "../tests/support/cluster.ts";
import { npx, SQUAWK, SUPABASE } from "../lib/programs.ts";
import { type Finding, main } from "./report.ts";

/** Every exception, with its reason. Rules: https://squawkhq.com/docs/rules. The advisors need none. */
export const EXCEPTIONS: { rule: string; where: "forward" | "reverse"; why: string }[] = [
  {
    rule: "prefer-bigint-over-int",
    where: "forward",
    why:
      "Ids are uuid or bigint; int holds what has a small bound of its own (attempts, priorities, seconds).",
  },
  {
    rule: "prefer-bigint-over-smallint",
    where: "forward",
    why: "As for int: ranks, minutes of a day, HTTP statuses.",
  },
  {
    rule: "ban-drop-table",
    where: "reverse",
    why:
      "A reverse migration drops what its migration created; it is run manually, after the code that reads it is gone.",
  },
  { rule: "ban-drop-column", where: "reverse", why: "As for tables." },
];

/** squawk's findings in the forward or the reverse migrations. */
export async function squawk(
  where: "forward" | "reverse",
  folder: string = join(MIGRATIONS, where === "reverse" ? "reverse" : "."),
): Promise<Finding> {
  const files = listMigrations(folder).map(({ path }) => relative(ROOT, path));
  const exceptions = EXCEPTIONS.filter((exception) => exception.where === where).map(({ rule }) => rule);
  const { code, stdout, stderr } = await npx(SQUAWK, [
    "--pg-version=17.0",
    // `supabase db push` and lib/migrate.ts run each file in one transaction, psql -1 each reverse.
    "--assume-in-transaction",
    "--reporter=gcc",
    `--exclude=${exceptions.join(",")}`,
    ...files,
  ], { cwd: ROOT });
  return {
    ok: code === 0,
    what: `squawk: ${files.length} ${where} migrations`,
    // Its lines and columns count from 0, those of editors from 1.
    detail: code === 0
      ? ""
      : stdout.replaceAll(/:(\d+):(\d+): /g, (_, line, column) => `:${+line + 1}:${+column + 1}: `) + stderr,
  };
}

/** The findings of `supabase db advisors` at warning level or above in the migrated database. */
export async function advisors(url: string): Promise<Finding> {
  const { code, stdout, stderr } = await npx(
    SUPABASE,
    ["db", "advisors", `--remote=${url}`, "--level=warn", "--fail-on=warn"],
    { env: { SUPABASE_NO_UPDATE_NOTIFIER: "1", SUPABASE_TELEMETRY_DISABLED: "1", NO_COLOR: "1" } },
  );
  return { ok: code === 0, what: "supabase db advisors", detail: code === 0 ? "" : stdout + stderr };
}

if (import.meta.main) {
  await main({
    name: "lint:sql",
    description: "Lint the migrations with squawk and the migrated database with supabase db advisors.",
    run: async (say) => {
      say(await squawk("forward"));
      say(await squawk("reverse"));
      const cluster = await startTestCluster();
      try {
        say(await advisors(cluster.template));
      } finally {
        await cluster.stop();
      }
    },
  });
}
