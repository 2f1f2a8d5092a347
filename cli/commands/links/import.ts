/** `gatelink links import`: creates the links of a file, in calls of a thousand. */
import { readFile } from "node:fs/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import { LINK_COLUMNS } from "../../../supabase/functions/_shared/contract/link_fields.ts";
import { MAX_BULK } from "../../../supabase/functions/_shared/contract/link_limits.ts";
import { newLink } from "../../../supabase/functions/_shared/contract/links.ts";
import { checkPlaces } from "../../../supabase/functions/_shared/links/model/places.ts";
import {
  isCharset,
  textOf,
  UnknownCharset,
} from "../../../supabase/functions/_shared/links/table/charset.ts";
import { DATE_ORDERS, type DateOrder } from "../../../supabase/functions/_shared/links/table/dates.ts";
import { readTable, type Row, type Table } from "../../../supabase/functions/_shared/links/table/read.ts";
import {
  detect,
  type Format,
  FORMATS,
  type Mapped,
  mapRow,
} from "../../../supabase/functions/_shared/links/table/sources.ts";
import { UnreadableFile } from "../../../supabase/functions/_shared/links/table/unreadable.ts";
import type { Rules } from "../../../supabase/functions/_shared/links/model/rules.ts";
import { pathOf } from "../../../supabase/functions/_shared/contract/routing/condition.ts";
import { CliError } from "../../core/errors.ts";
import type { Io } from "../../core/io.ts";
import { linksApi } from "./api.ts";
import { type Outcome, report } from "./import_report.ts";
import { make, type Pending } from "./import_send.ts";
import { hostsToAllow, loadRules } from "./rules.ts";
import { fromHere } from "../../core/paths.ts";
import type { Result, Run, Session } from "../../core/session.ts";
import { several } from "../../core/values.ts";

interface Options {
  format?: Format;
  charset?: string;
  dates?: DateOrder;
  domain?: string;
  tag?: string[];
  newCodes?: boolean;
  dryRun?: boolean;
}

/** Wraps a list of words to lines of the help. */
function wrapped(words: readonly string[]): string {
  const lines: string[] = [];
  for (const word of words.map((word, index) => index < words.length - 1 ? `${word},` : word)) {
    const line = lines.at(-1);
    if (line === undefined || line.length + 1 + word.length > 100) lines.push(`  ${word}`);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return lines.join("\n");
}

/** Adds the command to the group. */
export function importing(group: Command, run: Run): void {
  group.command("import")
    .description("import links from a file: CSV, or the export of another shortener")
    .argument("<file>", "CSV, JSON or JSON lines; - reads standard input")
    .addOption(
      new Option("--format <format>", "format of the file (default: detected from its columns)").choices([
        ...FORMATS,
      ]),
    )
    .option(
      "--charset <name>",
      "charset of the file, such as windows-1252 (default: UTF-8, or as the file says)",
      charset,
    )
    .addOption(
      new Option(
        "--dates <order>",
        "order of dates like 01.02.2027: day or month first (default: only ISO dates)",
      )
        .choices([...DATE_ORDERS]),
    )
    .option("--domain <host>", "only links that were on this host, such as bit.ly")
    .option("--tag <tag>", "give each link this tag; repeatable", several((tag) => tag))
    .option("--new-codes", "give each link a new code instead of its own")
    .option("--dry-run", "check everything and create nothing")
    .addHelpText(
      "after",
      `
Columns of a CSV:
${wrapped(["code (or short_link)", ...LINK_COLUMNS, "password (8 characters or more)"])}
default_url may be called url or destination; targets are JSON. Files written by links export can be imported, except
passwords: a link with one is refused until the column password holds it. whatsapp_number may be the number itself.
JSON has the bodies of POST deeplinks. The panel reads the same files.

Exports of Bitly, Dub, Firebase Dynamic Links, Kutt, Rebrandly, Short.io, TinyURL and YOURLS are recognised. Every code
is kept, in lower case: of two codes that differ only by case, the second is refused. A Bitly link with several
back-halves becomes one link for each. Disabled links are skipped; archived ones get the tag archived.

Nothing is guessed: a row with a date that could mean two days, an unreadable value or too few cells is refused, and the
others are created. Times without a zone are read as UTC. Values that a link cannot hold, such as numbers of clicks and
times of creation, are listed by column and row.

Each link has an external id, from the file or made from its short link. To continue an interrupted import, run it
again: existing links are recognised. Exit code 1 if anything was refused, skipped or not carried over.

Examples:
  gatelink links import links.csv --dry-run
  gatelink links import bitly-export.csv --domain go.example.com --tag from-bitly
  gatelink links import dynamic-links.csv --format firebase
  gatelink links import from-excel.csv --charset windows-1252 --dates dmy
  gatelink links import exported.jsonl --new-codes`,
    )
    .action((file: string, options: Options) => run((session) => imported(session, file, options)));
}

function charset(label: string): string {
  if (!isCharset(label)) {
    throw new InvalidArgumentError("No charset is called so. Try utf-8 or windows-1252.");
  }
  return label;
}

async function imported(session: Session, file: string, options: Options): Promise<Result> {
  const { columns, rows } = await tableOf(session.io, file, options);
  const format = options.format ?? detect(columns);
  const api = await linksApi(session);
  const rules = await loadRules(await session.api());
  const outcomes: Outcome[] = [];
  const pending: Pending[] = [];
  const lost: Record<string, number> = {};
  const hosts = new Set<string>();
  let assumedUtc = 0, isWhole = true;
  for (const [index, row] of rows.entries()) {
    const mapped = await mapRow(format, row, { dates: options.dates, newCodes: options.newCodes });
    const [{ lost: unheld, leftOut, assumedUtc: assumed }] = mapped;
    const wanted = mapped.filter((one) => isOn(options.domain, one));
    if (wanted.length === 0) {
      outcomes.push({
        ...outcomeOf(row, mapped[0]),
        status: "left_out",
        why: `it is not on ${options.domain}`,
      });
      continue;
    }
    if (assumed) assumedUtc++;
    if (leftOut !== undefined) isWhole = false;
    else for (const column of unheld) lost[column] = (lost[column] ?? 0) + 1;
    for (const one of wanted) {
      const { link } = one;
      if (options.newCodes) delete link.code;
      if (options.tag) link.tags = [...asList(link.tags), ...options.tag];
      const outcome = outcomeOf(row, one);
      outcomes.push(outcome);
      if (leftOut !== undefined) Object.assign(outcome, { status: "left_out", why: leftOut });
      else if (judge(outcome, one, rules, hosts)) {
        pending.push({ outcome, link, bytes: JSON.stringify(link).length });
      }
    }
    if ((index + 1) % MAX_BULK === 0) session.progress(`${index + 1} of ${rows.length} rows read`);
  }
  if (!options.dryRun) await make(session, api, pending);
  const hosts_to_allow = [...hosts].sort();
  return report(
    {
      file,
      format,
      dry_run: options.dryRun === true,
      rows: rows.length,
      assumed_utc: assumedUtc,
      hosts_to_allow,
      lost,
    },
    outcomes,
    isWhole,
  );
}

/** Whether a link is on the requested domain. */
function isOn(domain: string | undefined, { domain: host, fault }: Mapped): boolean {
  return domain === undefined || host === domain.toLowerCase() || (host === undefined && fault !== undefined);
}

function outcomeOf({ place }: Row, { link, lost }: Mapped): Outcome {
  const outcome: Outcome = { row: place, status: "ready", external_id: link.external_id };
  if (typeof link.code === "string") outcome.code = link.code;
  if (lost.length > 0) outcome.lost = lost;
  return outcome;
}

/**
 * Whether the link can be created, as far as is known locally: links that the function would refuse are marked without
 * a request, with all their faults.
 *
 * @param hosts Collects the hosts that would have to be allowed.
 */
function judge(outcome: Outcome, { link, fault }: Mapped, rules: Rules, hosts: Set<string>): boolean {
  const refuse = (error: string, whys: string[]) => {
    Object.assign(outcome, { status: "refused", error, why: whys.join("; ") });
    return false;
  };
  if (fault !== undefined) return refuse("invalid_request", [fault]);
  const read = newLink.safeParse(link);
  if (!read.success) {
    return refuse(
      "invalid_request",
      read.error.issues.map(({ path, message }) => `${pathOf(path)} ${message}`.trim()),
    );
  }
  const faults = checkPlaces(read.data, rules);
  if (faults.length === 0) return true;
  for (const host of hostsToAllow(read.data, rules)) hosts.add(host);
  return refuse("url_not_allowed", faults.map(({ path, why }) => `${path} ${why}`));
}

async function read(io: Io, file: string): Promise<Uint8Array> {
  try {
    return file === "-" ? await io.bytes() : await readFile(fromHere(io, file));
  } catch (error) {
    throw new CliError("usage", `${file} cannot be read: ${(error as Error).message}`, "Check the path.");
  }
}

async function tableOf(io: Io, file: string, options: Options): Promise<Table> {
  const bytes = await read(io, file);
  try {
    return readTable(textOf(bytes, file, options.charset), file);
  } catch (error) {
    if (!(error instanceof UnreadableFile)) throw error;
    const hint = error instanceof UnknownCharset
      ? "Say which with --charset, or save the file as UTF-8."
      : "gatelink links import --help describes the formats.";
    throw new CliError("usage", error.message, hint);
  }
}

function asList(tags: unknown): unknown[] {
  return Array.isArray(tags) ? tags : [];
}
