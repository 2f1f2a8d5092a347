/** `gatelink messages steps`: whether the next step of masked messaging may begin. */
import type { Command } from "commander";
import { type Cell, table } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { id } from "../../core/values.ts";

type Figures = Readonly<Record<string, unknown>>;

const BECAUSE: Readonly<Record<string, (figures: Figures) => string>> = {
  off: ({ target }) => target === null ? "there is no organisation" : `it is not on for ${target}`,
  changed: ({ hours }) => `it was changed ${hours} hours ago`,
  failures: ({ failed }) => `${failed} failures in 24 hours`,
  incident: ({ incident }) => `incident ${incident} is open`,
  proof: ({ org }) => `gatelink messages proof --org ${org}: something is missing`,
  no_data: () => "no text was decided in 24 hours",
  share: (figures) => `too large a share: ${sharesOf(figures)}`,
  stable: (figures) => sharesOf(figures),
};

const sharesOf = ({ decided, inbox, blocked, no_window }: Figures) =>
  `of ${decided} texts ${inbox} in the inbox (below 30 %), ${blocked} blocked, ${no_window} outside of windows (below 10 %)`;

/** Defines the command. */
export function stepping(group: Command, run: Run): void {
  group.command("steps").description(
    "whether the step before has been stable for 24 hours, for each step of the plan",
  )
    .option("--org <id>", "for one organisation (default: for every one)", id)
    .addHelpText(
      "after",
      `
The second step, threads on assignment, asks that core messaging has been on and unchanged for 24 hours, without a
failure or an incident, with nothing missing (messages proof), and with few texts in the owner inbox, blocked, or outside
of windows; the third, sitters, asks the same of the second. gatelink rollout start refuses without it, unless a reason
is given. Exit code 1 while a step is not stable.

Examples:
  gatelink messages steps
  gatelink messages steps --org 01968f00-0000-7000-8000-000000000001`,
    )
    .action(({ org }: { org?: string }) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("messages_steps", {
          p_targets: org === undefined ? [] : [`org:${org}`],
        });
        return {
          document,
          text: table(
            ["step", "after", "stable", "because"],
            document.map(({ step, flag, stable, because, figures }): Cell[] => [
              step,
              flag,
              [stable ? "green" : "yellow", stable ? "yes" : "no"],
              BECAUSE[because](figures),
            ]),
          ),
          failed: document.some(({ stable }) => !stable),
        };
      })
    );
}
