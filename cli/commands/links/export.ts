/** `gatelink links export`: the links as CSV or JSON lines. */
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import { writeFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { CliError } from "../../core/errors.ts";
import { type Link, linksApi } from "./api.ts";
import { csv } from "./files.ts";
import { filtered, filterOf, type FilterOptions } from "./filter.ts";
import { fromHere } from "../../core/paths.ts";
import type { Result, Run, Session } from "../../core/session.ts";

type Format = "csv" | "jsonl";

/** Columns of the CSV, and what stands in them. `links import` reads them by these names. */
const COLUMNS: Record<string, (link: Link) => unknown> = {
  code: ({ code }) => code,
  short_link: ({ url }) => url,
  external_id: (link) => link.external_id,
  state: (link) => link.state,
  default_url: (link) => link.default_url,
  targets: (link) => link.targets?.length ? link.targets : undefined,
  whatsapp_number: (link) => link.whatsapp?.phone_number_id,
  whatsapp_text: (link) => link.whatsapp?.text,
  starts_at: (link) => link.starts_at,
  expires_at: (link) => link.expires_at,
  expired_url: (link) => link.expired_url,
  max_uses: (link) => link.max_uses,
  uses: (link) => link.uses,
  utm_source: (link) => link.utm?.source,
  utm_medium: (link) => link.utm?.medium,
  utm_campaign: (link) => link.utm?.campaign,
  utm_term: (link) => link.utm?.term,
  utm_content: (link) => link.utm?.content,
  pass_query: (link) => link.pass_query || undefined,
  tags: (link) => link.tags?.some((tag) => /[,;|]/.test(tag)) ? link.tags : link.tags?.join(", "),
  flag_key: (link) => link.flag_key,
  preview_title: (link) => link.preview?.title,
  preview_description: (link) => link.preview?.description,
  preview_image: (link) => link.preview?.image,
  fingerprint: (link) => link.fingerprint || undefined,
  password: (link) => link.password || undefined,
  created_at: (link) => link.created_at,
};

/** Adds the command to the group. */
export function exporting(group: Command, run: Run): void {
  filtered(group.command("export").description("export the links as CSV or JSON lines, newest first"))
    .addOption(
      new Option("--format <format>", "csv, or jsonl: one JSON object per line").choices(["csv", "jsonl"])
        .default("csv"),
    )
    .option("--out <file>", "write to a file instead of standard output")
    .addHelpText(
      "after",
      `
links import reads both formats. Deleted links are omitted; of a password only its presence is exported. In CSV, an
apostrophe precedes cells that a spreadsheet would treat as a formula. With --json, standard output is one JSON
document with all links, or with --out the number of links written.

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
    // With the addresses of unannounced campaigns in it, and no reason for others to read it.
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

/** Links as a part of a file; `first` puts the heading of a CSV before them. */
export function written(links: readonly Link[], format: Format, first: boolean): string {
  if (format === "csv") {
    const rows = links.map((link) =>
      Object.fromEntries(Object.entries(COLUMNS).map(([column, of]) => [column, of(link)]))
    );
    return csv(Object.keys(COLUMNS), rows, first);
  }
  return links.map(({ url, qr_url: _, ...link }) => `${JSON.stringify({ short_link: url, ...link })}\n`).join(
    "",
  );
}
