/** `gatelink links export`: writes the links as CSV or JSON lines. */
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import { writeFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import type { Link } from "../../../supabase/functions/_shared/contract/links.ts";
import { WRITTEN, written } from "../../../supabase/functions/_shared/links/table/write.ts";
import { CliError } from "../../core/errors.ts";
import { linksApi } from "./api.ts";
import { filtered, filterOf, type FilterOptions } from "./filter.ts";
import { fromHere } from "../../core/paths.ts";
import type { Result, Run, Session } from "../../core/session.ts";

type Format = typeof WRITTEN[number];

/** Adds the command to the group. */
export function exporting(group: Command, run: Run): void {
  filtered(group.command("export").description("export the links as CSV or JSON lines, newest first"))
    .addOption(
      new Option("--format <format>", "csv, or jsonl: one JSON object per line").choices([...WRITTEN])
        .default("csv"),
    )
    .option("--out <file>", "write to a file instead of standard output")
    .addHelpText(
      "after",
      `
links import and the panel read both formats. Deleted links are omitted; of a password only its presence is exported.
In CSV, an apostrophe precedes cells that a spreadsheet would treat as a formula. With --json, standard output is one
JSON document with all links, or with --out the number of links written.

Examples:
  gatelink links export --out links.csv
  gatelink links export --format jsonl --tag poster --out poster.jsonl`,
    )
    .action((options: FilterOptions & { format: Format; out?: string }) =>
      run((session) => exported(session, options))
    );
}

async function exported(
  session: Session,
  options: FilterOptions & { format: Format; out?: string },
): Promise<Result> {
  const api = await linksApi(session);
  const links: Link[] = [];
  const parts: string[] = [];
  for await (const page of api.pages(filterOf(options))) {
    parts.push(written(page, options.format, parts.length === 0));
    links.push(...page);
    session.progress(`${links.length} links read`);
  }
  const text = parts.join("");
  if (options.out === undefined) return { document: { links }, text: text.replace(/\r?\n$/, "") };
  try {
    // Readable by the owner only: the file contains the addresses of unannounced campaigns.
    await writeFile(fromHere(session.io, options.out), text, { mode: 0o600 });
  } catch (error) {
    throw new CliError(
      "usage",
      `${options.out} cannot be written: ${(error as Error).message}`,
      "Check the path.",
    );
  }
  return {
    document: { file: options.out, format: options.format, links: links.length },
    text: `${counted(links.length, "link")} written to ${options.out}.`,
  };
}
