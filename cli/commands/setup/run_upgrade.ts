/** The steps of `gatelink upgrade`, in order. */
import { listMigrations, pendingMigrations } from "../../../lib/migrate.ts";
import { ROOT } from "../../../lib/paths.ts";
import { counted, sentence } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import { CliError } from "../../core/errors.ts";
import type { Result, Session } from "../../core/session.ts";
import { runGates } from "../gates/run.ts";
import { irreversible } from "../rollback/irreversible.ts";
import { access, database } from "./database.ts";
import { functions, health, versionOf } from "./functions.ts";
import type { Waits } from "./run.ts";
import { asked, openTarget, type Target } from "./target.ts";
import type { UpgradeOptions } from "./options.ts";
import { walk, type WalkStep } from "./walk.ts";

/** Runs it. */
export async function runUpgrade(
  session: Session,
  options: UpgradeOptions,
  waits: Waits = {},
): Promise<Result> {
  const target = await openTarget(session, options);
  try {
    const { project, words } = target;
    const root = waits.root ?? ROOT;
    const version = await versionOf(root);
    return await walk(session, [
      access(target),
      wayBack(target),
      gates(target, options, root),
      database(target),
      functions(target, root, waits.seenMs),
    ], {
      title: `Upgrading ${project.name} to ${version}`,
      done: sentence(`${project.name} runs ${version}`),
      again: `gatelink upgrade${words}`,
    }, options.dryRun);
  } finally {
    await target.close();
  }
}

/** Says how to return to what runs now, before anything changes. */
function wayBack({ sql, stack, words }: Target): WalkStep {
  return {
    name: "way back",
    what: "find the way back",
    look: () =>
      asked(async () => {
        const { version } = await health(stack);
        const [{ has }] = await sql`select public.schema_version() as has`.catch(() => [{ has: null }]);
        if (has === null) {
          throw new CliError(
            "refused",
            "There is no Gatelink in this database yet.",
            `gatelink setup${words}`,
          );
        }
        const pending = await pendingMigrations(sql);
        const cut = (await irreversible()).filter(({ version }) =>
          pending.some((one) => one.version === version)
        );
        if (cut.length > 0) {
          throw new CliError(
            "refused",
            `${cut[0].version} cannot be reverted: ${cut[0].why}.`,
            "Take a backup, apply it by hand with supabase db push, and repeat.",
          );
        }
        const code = version && version !== "dev"
          ? `gatelink rollback 3 ${version.replace(/-dirty$/, "")} --why "…"`
          : "gatelink rollback 3 <commit>";
        return {
          done: true,
          found: pending.length === 0
            ? `${code} (no migration is new)`
            : `${code}, then gatelink rollback 4 ${has} --why "…" (${
              counted(pending.length, "migration")
            } of ${listMigrations().length} new, each with its reverse)`,
        };
      }),
  };
}

/** The gates that concern no flag. Open ones stop the upgrade unless it is to go on anyway. */
function gates(
  { session, stack, api }: Target,
  { projectRef, anyway }: UpgradeOptions,
  root: string,
): WalkStep {
  return {
    name: "gates",
    what: "ask the launch gates",
    async look() {
      const results = await runGates(
        { ...session, api: () => Promise.resolve({ ...api, stack }) },
        undefined,
        {
          root,
          projectRef,
        },
      );
      const open = results.filter(({ status }) => status === "open");
      const said = open.map(({ id, detail }) => `${id}: ${detail}`).join("; ");
      if (open.length === 0) return { done: true, found: `${counted(results.length, "gate")} passed` };
      if (anyway) return { done: true, found: `open, and gone on anyway: ${said}` };
      throw new CliError(
        "refused",
        `${counted(open.length, "gate")} open: ${said}`,
        `To close ${open[0].id}: ${open[0].how ?? "see gatelink gates"}. Or proceed with --anyway.`,
      );
    },
  };
}
