/** `gatelink metric`: business metrics, which a rollout's stages can depend on. */
import type { Command } from "commander";
import { type Cell, table, time } from "../core/output.ts";
import type { Run } from "../core/session.ts";
import { reason, whole } from "../core/values.ts";

interface AddOptions {
  subject?: string;
  value?: string;
  key?: string;
}

/** Defines the commands of the group. */
export function metric(group: Command, run: Run): void {
  group.command("list").description("each metric, and how often it occurred")
    .option("--days <n>", "in the last N days", whole(1, 400), 14)
    .addHelpText(
      "after",
      `
Example:
  gatelink metric list --days 30`,
    )
    .action(({ days }: { days: number }) =>
      run(async (session) => {
        const rows = await (await session.api()).rpc("list_metrics", { p_days: days });
        return {
          document: rows,
          text: table(
            ["metric", "times", "value", "today", "since"],
            rows.map((row): Cell[] => [
              row.name,
              row.n,
              row.value,
              row.days.at(-1)?.n ?? 0,
              time(row.since),
            ]),
            "Nothing is counted yet: POST /functions/v1/flags/metrics, or gatelink metric add NAME.",
          ),
        };
      })
    );
  group.command("add").description("count one occurrence, as services do over HTTP")
    .argument("<name>", "the metric, such as checkout.completed", reason)
    .option("--subject <id>", "who did it: the id that flags are evaluated for", reason)
    .option("--value <number>", "its value, such as an amount (default: 1)", reason)
    .option("--key <key>", "what comes again with this key is not counted again", reason)
    .addHelpText(
      "after",
      `
Example:
  gatelink metric add checkout.completed --subject user-17 --value 12.5 --key order-4711`,
    )
    .action((name: string, { subject, value, key }: AddOptions) =>
      run(async (session) => {
        const counted = await (await session.api()).rpc("record_metrics", {
          p_metrics: [{ name, subject, value: value === undefined ? undefined : Number(value), key }],
        });
        return {
          document: counted,
          text: counted.accepted === 1 ? `${name} is counted.` : `${name} was counted with this key before.`,
        };
      })
    );
}
