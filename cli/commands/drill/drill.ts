/** `gatelink drill`: runs and times all four rollbacks on a separate stack, so that they work when needed. */
import type { Command } from "commander";
import { fromCheckout } from "../../core/checkout.ts";
import { table, verdict } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { LEVELS, seconds } from "../rollback/steps.ts";

/** Defines the command. */
export function drill(command: Command, run: Run): void {
  command.addHelpText(
    "after",
    `
Starts a local stack in a temporary folder, with a project that has its own history, and removes both. No other stack is
touched. Exit code 1 if a rollback fails or takes too long.

Example:
  gatelink drill --json`,
  )
    .action(() =>
      run(async (session) => {
        const { drillAll } = await fromCheckout("gatelink drill", () => import("./run.ts"));
        const drilled = await drillAll(session);
        const ok = drilled.every((one) => one.ok);
        return {
          document: { ok, levels: drilled },
          text: table(
            ["", "level", "way back", "took", "may take", "seen"],
            drilled.map((one) => [
              verdict(one.ok),
              one.level,
              one.name,
              seconds(one.took_ms),
              LEVELS[one.level].within,
              one.seen,
            ]),
          ),
          failed: !ok,
        };
      })
    );
}
