/** `gatelink upgrade`: the checkout's version to production. */
import type { Command } from "commander";
import { fromCheckout } from "../../core/checkout.ts";
import type { Run } from "../../core/session.ts";
import { onProject } from "./setup.ts";
import type { UpgradeOptions } from "./options.ts";

/** Defines the command. */
export function upgrade(command: Command, run: Run): void {
  onProject(command)
    .option("--anyway", "proceed although a gate is open")
    .addHelpText(
      "after",
      `
Says the way back first: the deployed version and the newest migration. Asks the gates that concern no flag (CI,
secrets, row level security and others). Then it applies the migrations, deploys the functions, and waits until each
answers with the new version. Repeated, it goes on where it stopped; harmless when nothing is new.

Exit code 1: a step failed.

Examples:
  gatelink upgrade --project-ref abcdefghijklmnopqrst --dry-run
  gatelink upgrade --project-ref abcdefghijklmnopqrst`,
    )
    .action((options: UpgradeOptions) =>
      run(async (session) => {
        const { runUpgrade } = await fromCheckout("gatelink upgrade", () => import("./run_upgrade.ts"));
        return await runUpgrade(session, options);
      })
    );
}
