/** `gatelink drill`: runs and times all four rollbacks on a separate stack, so that they work when needed. */
import { type Command, Option } from "commander";
import { BESIDE, type Beside } from "./states.ts";
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
touched. Exit code 1 if a rollback fails or takes too long. With --beside, one that is blocked has to say so within 5
seconds, with what blocks it and another way that works:
${Object.entries(BESIDE).map(([name, what]) => `  ${name.padEnd(18)}${what}`).join("\n")}

Examples:
  gatelink drill --json
  gatelink drill --beside read-only`,
  )
    .addOption(
      new Option("--beside <state>", "what to put in the way of the rollbacks").choices(Object.keys(BESIDE)),
    )
    .action(({ beside }: { beside?: Beside }) =>
      run(async (session) => {
        const { drillAll } = await fromCheckout("gatelink drill", () => import("./run.ts"));
        const drilled = await drillAll(session, beside);
        const ok = drilled.every((one) => one.ok);
        return {
          document: { ok, ...(beside === undefined ? {} : { beside }), levels: drilled },
          text: table(
            ["", "level", "rollback", "took", "may take", "seen"],
            drilled.map((one) => [
              verdict(one.ok),
              one.level,
              one.blocked ? `${one.name}, blocked` : one.name,
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
