/** `gatelink rollout notices`: who is told what of a rollout, and when. */
import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import type { Notice } from "../../../supabase/functions/_shared/contract/arguments.ts";
import type { Answers } from "../../../supabase/functions/_shared/contract/answers.ts";
import { CliError } from "../../core/errors.ts";
import { type Cell, table, time } from "../../core/output.ts";
import { fromHere } from "../../core/paths.ts";
import type { Run, Session } from "../../core/session.ts";
import { later } from "../../core/values.ts";
import { rolloutNamed } from "./api.ts";

interface Options {
  day0?: string;
  file?: string;
}

/** Adds the command. */
export function notices(group: Command, run: Run): void {
  group.command("notices")
    .description("list who is told what of a rollout, and when; with --day-0, schedule it")
    .argument("<rollout>", "its id, or its flag")
    .option("--day-0 <time>", "when day 0 is; ISO 8601, or how long from now", later)
    .option(
      "--file <file>",
      'your own notices, a JSON file: [{"day", "to", "text", "report"}] (default: those of the plan replies)',
    )
    .addHelpText(
      "after",
      `
Each notice is sent to the endpoints that listen for notice, when it is due. What was told stays told when day 0 moves.

Examples:
  gatelink rollout notices email_reply_tokens --day-0 2026-12-08T08:00:00Z
  gatelink rollout notices checkout --day-0 7d --file notices.json
  gatelink rollout notices email_reply_tokens`,
    )
    .action((name: string, { day0, file }: Options) =>
      run(async (session) => {
        if (day0 === undefined && file !== undefined) {
          throw new CliError("usage", "--file needs --day-0.", "gatelink rollout notices --help");
        }
        const api = await session.api();
        const { id } = await rolloutNamed(api, name);
        const rows = day0 === undefined
          ? await api.rpc("list_notices", { p_id: id })
          : await api.rpc("schedule_notices", {
            p_id: id,
            p_day_0: day0,
            ...(file === undefined ? {} : { p_notices: await noticesIn(session, file) }),
          });
        return { document: rows, text: tableOf(rows) };
      })
    );
}

/** The notices in a file; the database checks them. */
async function noticesIn({ io }: Session, file: string): Promise<readonly Notice[]> {
  try {
    return JSON.parse(await readFile(fromHere(io, file), "utf8"));
  } catch (error) {
    throw new CliError("usage", `${file} cannot be read: ${(error as Error).message}`, "Give a JSON file.");
  }
}

const COLOURS = { planned: "yellow", told: "green", skipped: "dim" } as const;

function tableOf(rows: Answers["list_notices"]): string {
  return table(
    ["day", "due", "to", "what", "state"],
    rows.map(({ day, due_at, to, text, report, state }): Cell[] => [
      day,
      time(due_at),
      to,
      report ? `${text} (with the report)` : text,
      [COLOURS[state], state],
    ]),
    "Nothing is scheduled: gatelink rollout notices ROLLOUT --day-0 TIME",
  );
}
