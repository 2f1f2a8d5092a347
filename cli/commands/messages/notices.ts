/** `gatelink messages notices`: which owners and sitters were told that messaging began or ended for their organisation. */
import { type Command, Option } from "commander";
import { CliError } from "../../core/errors.ts";
import { type Cell, facts, table, time } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";
import { id } from "../../core/values.ts";

const TOPICS = {
  messaging: "messaging (owners and admins)",
  threads: "threads on assignment (owners and admins)",
  sitters: "sitters' messages (sitters)",
} as const;

const WAYS = { text: "by text", mail: "by mail", none: "not" } as const;

/** Defines the command. */
export function noticing(group: Command, run: Run): void {
  group.command("notices").description("which members of an organisation were told what began or ended")
    .argument("<org>", "its id", id)
    .addOption(new Option("--on", "tell members from now on").conflicts("off"))
    .option("--off", "tell nobody")
    .addHelpText(
      "after",
      `
Members are told once, five minutes after a flag of messaging was turned on or off for their organisation: by a text
from the front desk's number, else by mail from the default identity. Who has sent STOP is told nothing. It is off
until --on; whoever has messaging then is told that it has begun. gatelink rollout notices is for those who run it.

Examples:
  gatelink messages notices 01968f00-0000-7000-8000-000000000001
  gatelink messages notices 01968f00-0000-7000-8000-000000000001 --on`,
    )
    .action((org: string, { on, off }: { on?: boolean; off?: boolean }) =>
      run(async (session) => {
        const api = await session.api();
        const before = await api.rpc("list_org_notices", { p_org: org });
        if (before === null) {
          throw new CliError(
            "not_found",
            `There is no organisation ${org}.`,
            "gatelink messages orgs lists them.",
          );
        }
        if (on || off) await api.rpc("set_org", { p_id: org, p_config: { tell_members: on === true } });
        const document = on || off ? (await api.rpc("list_org_notices", { p_org: org }))! : before;
        return {
          document,
          text: [
            facts({
              "members are told": document.tell_members ? ["green", "yes"] : ["dim", "no: --on"],
              ...Object.fromEntries(
                document.topics.map(({ topic, is_on, since }): [string, Cell] => [
                  TOPICS[topic],
                  `${is_on ? "on" : "off"} since ${time(since)}`,
                ]),
              ),
              "to be told now": document.due,
            }),
            table(
              ["at", "who", "", "of", "", "told", "why not"],
              document.notices.map((one): Cell[] => [
                time(one.at),
                one.role,
                one.member_id,
                one.topic,
                one.begins ? "begins" : "ends",
                WAYS[one.way],
                one.why,
              ]),
              "Nobody has been told anything.",
            ),
          ].join("\n\n"),
        };
      })
    );
}
