/** `gatelink rollback`: the four rollbacks, from the fastest to the last resort. */
import type { Command } from "commander";
import { fromCheckout } from "../../core/checkout.ts";
import { CliError } from "../../core/errors.ts";
import { flagKey } from "../flags/api.ts";
import { fromHere } from "../../core/paths.ts";
import type { Run, Session } from "../../core/session.ts";
import { duration, reason, whole } from "../../core/values.ts";
import { take, type WayBack } from "./steps.ts";

interface Common {
  why: string;
  dryRun?: boolean;
  anyway?: boolean;
}

interface OnProject extends Common {
  projectRef?: string;
  timeout?: number;
}

/** Defines the commands of the group. */
export function rollback(group: Command, run: Run): void {
  group.addHelpText(
    "after",
    `
Each says what it will do, does it, verifies it, times it and writes it down; --dry-run only says it. Begin with the
lowest level that helps; docs/runbooks tells which that is.`,
  );
  const common = (command: Command) =>
    command.requiredOption("--why <reason>", "the reason, which is recorded", reason)
      .option("--dry-run", "show what it would do, without doing it")
      .option(
        "--anyway",
        "proceed although it does not undo everything, or something fails meanwhile",
      );
  const onProject = (command: Command) =>
    common(command).option(
      "--project-ref <ref>",
      "the hosted project, if the stack's address does not contain it",
    )
      .option("--timeout <time>", "maximum time until all functions use it (default: 7m)", duration);
  const way = (plan: (session: Session) => Promise<WayBack>, { dryRun }: Common) =>
    run(async (session) => await take(session, await plan(session), dryRun));

  common(
    group.command("1").description("turn a flag off; takes effect everywhere within 5 seconds")
      .argument("<flag>", "its key; .enabled is optional", flagKey),
  )
    .addHelpText(
      "after",
      `
Examples:
  gatelink rollback 1 deeplinks.enabled --why "6 % errors since 14:05"
  gatelink rollback 1 deeplinks.enabled --why "looking only" --dry-run`,
    )
    .action((flag: string, options: Common) =>
      way(async (session) => {
        const { flagWayBack } = await fromCheckout(
          "gatelink rollback 1",
          () => import("./flag.ts"),
          `\nWithout a checkout, gatelink flags set ${flag} off --why "…" turns it off.`,
        );
        return await flagWayBack(session, flag, options);
      }, options)
    );

  onProject(
    group.command("2").description("set a kill switch in the environment; works without the database")
      .argument(
        "[flag]",
        "one feature, by its flag; .enabled is optional (default: all features, FEATURE_ENABLED)",
        flagKey,
      )
      .option("--undo", "remove the switch, so that the feature runs again"),
  )
    .addHelpText(
      "after",
      `
Names without any effect are refused. The intake has no flag, only a switch: wa-webhook.

Examples:
  gatelink rollback 2 wa_send.enabled --why "the database refuses writes"
  gatelink rollback 2 wa-webhook --why "Meta's retries are too much for the database"
  gatelink rollback 2 --why "stop everything"
  gatelink rollback 2 wa_send.enabled --undo --why "fixed"`,
    )
    .action((flag: string | undefined, options: OnProject & { undo?: boolean }) =>
      way(async (session) => {
        const load = () => import("./environment.ts");
        const { environmentWayBack } = await fromCheckout("gatelink rollback 2", load);
        return await environmentWayBack(session, flag, options);
      }, options)
    );

  onProject(
    group.command("3").description("deploy the functions of an earlier commit, from a clean worktree")
      .argument("<commit>", "the commit to go back to, as any git revision"),
  )
    .addHelpText(
      "after",
      `
The real Supabase CLI deploys. On the local stack it deploys to a simulated Supabase, and the stack serves the upload
until its next start.

Examples:
  gatelink rollback 3 HEAD~1 --why "the deploy of 14:00 fails"
  gatelink rollback 3 v1.4.2 --why "leaks memory" --dry-run`,
    )
    .action((commit: string, options: OnProject) =>
      way(async (session) => {
        const load = () => import("./code.ts");
        const { codeWayBack } = await fromCheckout("gatelink rollback 3", load);
        return await codeWayBack(session, commit, options);
      }, options)
    );

  common(
    group.command("4").description("revert migrations with their reverse files, newest first")
      .argument("[version]", "the migration to go back to; 0 reverts all of them")
      .option("--steps <n>", "or the number of migrations to revert", whole(1, 1000))
      .option("--db-url <url>", "the database (default: that of the local stack)")
      .option("--accept-loss", "proceed although rows added since a migration are destroyed")
      .option("--save <dir>", "save these rows first, one JSON document per line"),
  )
    .addHelpText(
      "after",
      `
Each migration is reverted in one transaction with its entry in the history. Everything is first tried in a transaction
that is rolled back, also with --dry-run. Destroying rows added since a migration needs --accept-loss.

Examples:
  gatelink rollback 4 --steps 1 --why "the new index locks up"
  gatelink rollback 4 20261129001100 --why "wrong attributions" --accept-loss --save lost
  gatelink rollback 4 --steps 1 --why "as above" --db-url "$SUPABASE_DB_URL"`,
    )
    .action((to: string | undefined, options: DatabaseArguments) => {
      if ((to === undefined) === (options.steps === undefined)) {
        throw new CliError(
          "usage",
          "Give the version to go back to, or --steps.",
          "gatelink rollback 4 --help",
        );
      }
      return way(async (session) => {
        const load = () => import("./database.ts");
        const { databaseWayBack } = await fromCheckout("gatelink rollback 4", load);
        const save = options.save === undefined ? undefined : fromHere(session.io, options.save);
        return await databaseWayBack(session, { ...options, to, save });
      }, options);
    });
}

interface DatabaseArguments extends Common {
  steps?: number;
  dbUrl?: string;
  acceptLoss?: boolean;
  save?: string;
}
