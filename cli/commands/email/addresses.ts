/** `gatelink email addresses`: which of our addresses people and machines write to, and which of them no route knows. */
import type { Command } from "commander";
import { type Cell, table, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { whole } from "../../core/values.ts";

/** Adds the command to the group. */
export function addresses(group: Command, run: Run): void {
  group.command("addresses").description(
    "addresses that new mails were sent to, those that no route knows first",
  )
    .option("--days <n>", "of the last N days", whole(1, 90), 30)
    .option("--limit <n>", "show at most N", whole(1, 1000), 200)
    .option("--unknown", "only those that no route knows")
    .addHelpText(
      "after",
      `
An address is read as domain.scope.type@. A mail to one that no route names goes to the route that takes everything, if there
is one; it is never rejected. Name it in a route: gatelink routes add --when '{"type":"address","domains":["shop"]}' …

Examples:
  gatelink email addresses
  gatelink email addresses --unknown --days 7`,
    )
    .action(({ days, limit, unknown }: { days: number; limit: number; unknown?: true }) =>
      run(async (session) => {
        const all = await (await session.api()).rpc("mail_addresses", { p_days: days, p_limit: limit });
        const document = unknown ? all.filter((one) => one.unknown > 0) : all;
        return {
          document,
          text: table(
            ["address", "domain", "scope", "type", "mails", "unknown", "routes", "last"],
            document.map((one): Cell[] => [
              one.address,
              one.domain ?? "",
              one.scope ?? "",
              one.type ?? "",
              one.mails,
              one.unknown === 0 ? 0 : ["yellow", String(one.unknown)],
              one.routes.join(", "),
              time(one.last_at),
            ]),
            "There are none.",
          ),
        };
      })
    );
}
