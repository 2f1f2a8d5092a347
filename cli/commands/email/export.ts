/** `gatelink email export`: what became of each mail, as JSON lines, without what it says or whose it is. */
import { writeFile } from "node:fs/promises";
import type { Command } from "commander";
import type { MailMetadata } from "../../../supabase/functions/_shared/contract/answers/mail.ts";
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import { CliError } from "../../core/errors.ts";
import { fromHere } from "../../core/paths.ts";
import type { Result, Run, Session } from "../../core/session.ts";
import { whole } from "../../core/values.ts";

/** Days of an export unless it names more: as long as raw mails are kept. */
const DAYS = 30;

interface Options {
  days: number;
  out?: string;
}

/** Adds the command to the group. */
export function exporting(group: Command, run: Run): void {
  group.command("export").description("what became of each mail, as JSON lines: its address, route, chats")
    .option("--days <n>", "mails of the last N days", whole(1, 3650), DAYS)
    .option("--out <file>", "write to a file instead of standard output")
    .addHelpText(
      "after",
      `
Neither sender nor subject nor text is exported. With --json, standard output is one JSON document with all mails, or with
--out their number.

Examples:
  gatelink email export --out backup.jsonl
  gatelink email export --days 2`,
    )
    .action((options: Options) => run((session) => exported(session, options)));
}

async function exported(session: Session, { days, out }: Options): Promise<Result> {
  const api = await session.api();
  const since = new Date(Date.now() - days * 86_400_000).toISOString();
  const mails: MailMetadata[] = [];
  let after: string | null = null;
  do {
    const page: { mails: MailMetadata[]; next: string | null } = await api.rpc("export_mail_metadata", {
      p_since: since,
      ...(after === null ? {} : { p_after: after }),
    });
    mails.push(...page.mails);
    after = page.next;
    session.progress(`${mails.length} mails read`);
  } while (after !== null);
  const text = mails.map((mail) => JSON.stringify(mail)).join("\n");
  if (out === undefined) return { document: { mails }, text };
  try {
    await writeFile(fromHere(session.io, out), text === "" ? "" : `${text}\n`, { mode: 0o600 });
  } catch (error) {
    throw new CliError("usage", `${out} cannot be written: ${(error as Error).message}`, "Check the path.");
  }
  return {
    document: { file: out, mails: mails.length },
    text: `${counted(mails.length, "mail")} written to ${out}.`,
  };
}
