/** `gatelink email analysis`: how well mails are understood whose cards go to chats. */
import type { Command } from "commander";
import type { AnalysisReport } from "../../../supabase/functions/_shared/contract/answers/analysis.ts";
import { type Cell, facts, table } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";

const GATES = {
  pass: "accurate enough to go on (above 85 %)",
  fail: "not accurate enough: go back (below 70 %)",
  wait: "not known yet: 50 judged mails of a model are asked for, and more than 85 %",
} as const;

/** Adds the commands to the group. */
export function analysis(group: Command, run: Run): void {
  group.command("accuracy").description("how often the mood that was found is right, by people's corrections")
    .addHelpText(
      "after",
      `
Of the last 30 days. A mail is judged once somebody of the team handled its card or corrected it (the button Wrong?), and right
unless corrected: who does not look counts as right. \`deno task bench analysis\` measures the embedded rules on labelled mails.

Example:
  gatelink email analysis accuracy`,
    )
    .action(() =>
      run(async (session) => {
        const document = await (await session.api()).rpc("analysis_report", {});
        return { document, text: inWords(document) };
      })
    );
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

function inWords({ gate, accuracy, analyses, given_up: givenUp, circuit }: AnalysisReport): string {
  const parts = [
    table(
      ["source", "judged", "right", "accuracy", "95 % interval"],
      accuracy.map(({ source, n, right, ratio, low, high }): Cell[] => [
        source,
        n,
        right,
        percent(ratio),
        `${percent(low)} to ${percent(high)}`,
      ]),
      "No mail has been judged yet.",
    ),
    table(
      ["source", "analysed", "with a mood", "with an urgency", "model failed", "95th percentile, ms"],
      analyses.map((
        { source, n, sentiment, urgency, faults, ms },
      ): Cell[] => [source, n, sentiment, urgency, faults, ms]),
      "No mail has been analysed. Is mail_analysis.enabled on?",
    ),
    facts({
      "model's rollout": GATES[gate],
      "given up": givenUp,
      ...(circuit?.open_until == null ? {} : { "not asked until": circuit.open_until }),
    }),
  ];
  return parts.join("\n\n");
}
