/** `gatelink numbers doctor`: asks Meta about tokens, subscriptions and numbers; what is wrong, and what to do. */
import type { Command } from "commander";
import type { NumberCheck } from "../../../supabase/functions/_shared/contract/http/numbers.ts";
import { callFunction } from "../../core/functions_api.ts";
import { type Cell, table } from "../../core/output.ts";
import type { Run } from "../../core/session.ts";

const COLOURS = { ok: "green", warning: "yellow", problem: "red" } as const;

/** Adds the command to the group. */
export function doctor(group: Command, run: Run): void {
  group.command("doctor").description(
    "ask Meta about tokens, subscriptions and numbers; what is wrong, what to do",
  )
    .addHelpText(
      "after",
      `
The function wa-router asks with the project's own tokens: whether they are valid and when they expire, their permissions,
whether the accounts' webhooks are subscribed, and each number's status, quality, limit and name. Exit code 1 if there is
a problem; warnings alone exit with 0.

Example:
  gatelink numbers doctor`,
    )
    .action(() =>
      run(async (session) => {
        const { stack } = await session.api();
        const { body: document } = await callFunction<NumberCheck>(stack, "POST", "wa-router/numbers/check");
        const advice = [
          ...new Set(document.findings.flatMap((finding) =>
            finding.advice === null ? [] : [
              `${
                finding.number === null ? finding.account : numberOf(finding.number)
              }, ${finding.about}: ${finding.advice}`,
            ]
          )),
        ];
        return {
          document,
          text: [
            table(
              ["", "account", "number", "about", "found"],
              document.findings.map(({ level, account, number, about, what }): Cell[] => [
                [COLOURS[level], level],
                account,
                number === null ? null : numberOf(number),
                about,
                what,
              ]),
              "There are no accounts yet. One appears when Meta sends the first webhook for a number.",
            ),
            ...(advice.length === 0 ? [] : [advice.join("\n")]),
          ].join("\n\n"),
          failed: document.findings.some(({ level }) => level === "problem"),
        };
      })
    );
}

function numberOf(number: string): string {
  return `+${number}`;
}
