/** `gatelink deliveries`: waiting deliveries of a service, and resending. */
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import type { Command } from "commander";
import type { Result } from "../../../supabase/functions/_shared/contract/sql.ts";
import { change, type Which } from "./dead.ts";
import { table, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { id, moment, several, whole } from "../../core/values.ts";

/** Defines the commands of the group. */
export function deliveries(group: Command, run: Run): void {
  group.command("list").description(
    "list waiting deliveries, the first of each conversation; those that wait longest come first",
  )
    .option("--destination <name>", "only those to this destination")
    .option("--limit <n>", "show at most N", whole(1, 200), 50)
    .addHelpText(
      "after",
      `
Example:
  gatelink deliveries list --destination orders`,
    )
    .action((options: { destination?: string; limit: number }) =>
      run(async (session) => {
        const rows = await (await session.api()).rpc("list_waiting", {
          p_filter: options.destination === undefined ? {} : { destination: options.destination },
          p_limit: options.limit,
        });
        return {
          document: { deliveries: rows },
          text: table(
            ["delivery", "to", "next attempt", "attempts", "last error", "behind it", "message"],
            rows.map((row) => [
              row.id,
              row.destination,
              row.state === "leased" ? "in progress" : time(row.next_attempt_at),
              row.attempt,
              row.last_error,
              row.behind,
              row.message_id,
            ]),
            "No deliveries are waiting.",
          ),
        };
      })
    );

  const acts = [
    {
      name: "retry",
      about: "retry waiting deliveries now, including those that they wait behind",
      verb: "retried",
      rpc: "retry_deliveries",
    },
    {
      name: "skip",
      about: "make waiting deliveries dead letters, so that the ones behind them are sent",
      verb: "skipped",
      rpc: "skip_deliveries",
    },
    {
      name: "drop",
      about: "close waiting deliveries permanently; the rows are kept with the reason",
      verb: "dropped",
      rpc: "drop_deliveries",
    },
  ] as const;
  for (const { name, about, verb, rpc } of acts) {
    const command = group.command(name).description(about)
      .argument("[ids...]", "deliveries", several(id))
      .option("--all", "all waiting deliveries")
      .option("--destination <name>", "all those to this destination");
    if (name === "drop") command.requiredOption("--reason <text>", "the reason, which is recorded");
    command.addHelpText(
      "after",
      `
Exit code 1 if some of the ids are not waiting.

Example:
  gatelink deliveries ${name} 01968f00-0000-7000-8000-000000000001${
        name === "drop" ? ' --reason "a test message"' : ""
      }`,
    )
      .action((ids: string[] | undefined, options: Which & { reason?: string }) =>
        run((session) =>
          change(
            session,
            "waiting",
            ids,
            options,
            verb,
            (api, some) =>
              api.rpc(rpc, { p_ids: some, ...(name === "drop" ? { p_reason: options.reason } : {}) }),
          )
        )
      );
  }

  group.command("resend").description(
    "resend delivered messages to a service, with the same webhook-id and marked by data.resent",
  )
    .requiredOption("--destination <name>", "the service")
    .requiredOption("--from <time>", "messages routed since this time, such as 2026-11-21T10:00:00Z", moment)
    .requiredOption("--to <time>", "and before this time", moment)
    .addHelpText(
      "after",
      `
Keeps the order of each conversation. Repeated replies of the service are not sent again.

Example:
  gatelink deliveries resend --destination orders --from 2026-11-21T10:00:00Z --to 2026-11-21T12:00:00Z`,
    )
    .action((options: { destination: string; from: Date; to: Date }) =>
      run(async (session) => {
        const api = await session.api();
        let resent = 0;
        for (let after: string | null = null, first = true; first || after !== null; first = false) {
          const page: Result<"resend_deliveries"> = await api.rpc("resend_deliveries", {
            p_destination: options.destination,
            p_from: options.from.toISOString(),
            p_to: options.to.toISOString(),
            p_after: after,
          });
          resent += page.resent;
          after = page.after;
          session.progress(`${resent} resent`);
        }
        return { document: { resent }, text: `${counted(resent, "delivery", "deliveries")} sent again.` };
      })
    );
}
