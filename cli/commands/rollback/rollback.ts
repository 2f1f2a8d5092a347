/** `gatelink rollback`: the four ways back, from the fastest to the last. */
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
    command.requiredOption("--why <reason>", "the reason, kept with what was done", reason)
      .option("--dry-run", "say what it would do, and do nothing")
      .option(
        "--anyway",
        "do it although it does not take everything back, or something would fail meanwhile",
      );
  const onProject = (command: Command) =>
    common(command).option("--project-ref <ref>", "the hosted project, where its address does not tell")
      .option("--timeout <time>", "how long the functions may take to go by it (default: 7m)", duration);
  const way = (plan: (session: Session) => Promise<WayBack>, { dryRun }: Common) =>
    run(async (session) => await take(session, await plan(session), dryRun));

  common(
    group.command("1").description("turn a flag off; every function goes by it within 5 seconds")
      .argument("<flag>", "its key; .enabled may be left out", flagKey),
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
          `\nWithout one, gatelink flags set ${flag} off --why "…" turns it off.`,
        );
        return await flagWayBack(session, flag, options);
      }, options)
    );

  onProject(
    group.command("2").description("set a kill switch in the environment; works without the database")
      .argument(
        "[flag]",
        "one feature, by its flag; .enabled may be left out (default: all of them, FEATURE_ENABLED)",
        flagKey,
      )
      .option("--undo", "unset the switch: the feature may run again"),
  )
    .addHelpText(
      "after",
      `
A name that nothing goes by is refused. What is taken in has no flag, but a switch: wa-webhook.

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
      .argument("<commit>", "the commit to go back to, by any name that git knows"),
  )
    .addHelpText(
      "after",
      `
The real Supabase CLI deploys. On the local stack it does so to a stand-in for Supabase, and what was uploaded is served
until the next start.

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
    group.command("4").description("take migrations back by their reverse files, newest first")
      .argument("[version]", "the migration that stays the newest; 0 takes all of them back")
      .option("--steps <n>", "or how many to take back", whole(1, 1000))
      .option("--db-url <url>", "the database (default: that of the local stack)")
      .option("--accept-loss", "go on where rows that came after a migration are destroyed")
      .option("--save <dir>", "save these rows first, a JSON document a line"),
  )
    .addHelpText(
      "after",
      `
Each migration is one transaction with its entry in the history. All of it is tried first in a transaction that is
undone, with --dry-run too; where it destroys rows that came after a migration, it is refused without --accept-loss.

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
