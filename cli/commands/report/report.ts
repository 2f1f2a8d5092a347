/** `gatelink report`: how rollouts and everything did, as the clock writes it down. */
import type { Command } from "commander";
import type { Report, UnkeptReport } from "../../../supabase/functions/_shared/contract/answers/reports.ts";
import {
  lookInWords,
  reportAdvice,
  reportInWords,
  reportTitle,
} from "../../../supabase/functions/_shared/contract/words/reports.ts";
import { type Cell, paint, table, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { id, whole } from "../../core/values.ts";
import { flagKey } from "../flags/api.ts";

/** Defines the commands of the group. */
export function report(group: Command, run: Run): void {
  group.command("list").description("reports, latest first")
    .argument("[feature]", "those of a flag's rollouts; .enabled is optional", flagKey)
    .option("--limit <n>", "show at most N", whole(1, 500), 50)
    .addHelpText(
      "after",
      `
Of a rollout a report is written every two hours on the first day and daily in its first week, and again from its
completion on; on Mondays at 8, in the zone of the setting team.zone, one about all features. Endpoints that listen for
report are sent each.

Examples:
  gatelink report list
  gatelink report list checkout`,
    )
    .action((feature: string | undefined, { limit }: { limit: number }) =>
      run(async (session) => {
        const rows = await (await session.api()).rpc("list_reports", {
          p_flag_key: feature ?? null,
          p_limit: limit,
        });
        return {
          document: rows,
          text: table(
            ["report", "until", "about", "look at"],
            rows.map((one): Cell[] => [
              one.id,
              time(one.due_at),
              reportTitle(one),
              one.look.length === 0 ? ["green", "nothing"] : ["yellow", lookInWords(one.look)],
            ]),
            "No report has been due yet: gatelink report now",
          ),
        };
      })
    );

  group.command("show").description("one report")
    .argument("<report>", "its id, as report list shows it", id)
    .addHelpText(
      "after",
      `
Example:
  gatelink report show 01968f00-0000-7000-8000-000000000001`,
    )
    .action((report: string) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("read_report", { p_id: report });
        return { document, text: inWords(document) };
      })
    );

  group.command("now").description("the report that would be written now; it is not kept")
    .argument(
      "[feature]",
      "a flag's last rollout in the last two hours (default: everything in seven days)",
      flagKey,
    )
    .addHelpText(
      "after",
      `
Examples:
  gatelink report now
  gatelink report now checkout`,
    )
    .action((feature: string | undefined) =>
      run(async (session) => {
        const document = await (await session.api()).rpc("report_now", { p_flag_key: feature ?? null });
        return { document, text: inWords(document) };
      })
    );
}

function inWords(report: Report | UnkeptReport): string {
  const [head, ...lines] = reportInWords(report);
  return [
    `${reportTitle(report)}: ${time(report.period_from)} to ${time(report.due_at)}`,
    paint(report.look.length === 0 ? "green" : "yellow", head),
    ...lines,
    ...(report.look.length === 0 ? [] : ["", `What to do: ${reportAdvice(report)}`]),
  ].join("\n");
}
