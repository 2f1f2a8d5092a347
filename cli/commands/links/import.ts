/** `gatelink links import`: links of a file, made in calls of a thousand. */
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import { readFile } from "node:fs/promises";
import { type Command, Option } from "commander";
import { LINK_COLUMNS } from "../../../supabase/functions/_shared/contract/link_fields.ts";
import { MAX_BULK, MAX_BULK_PASSWORDS } from "../../../supabase/functions/_shared/contract/link_limits.ts";
import { type BulkResult, newLink } from "../../../supabase/functions/_shared/contract/links.ts";
import { checkPlaces } from "../../../supabase/functions/_shared/links/model/places.ts";
import {
  readTable,
  type Table,
  UnreadableFile,
} from "../../../supabase/functions/_shared/links/table/read.ts";
import {
  detect,
  type Format,
  FORMATS,
  mapRow,
} from "../../../supabase/functions/_shared/links/table/sources.ts";
import { pathOf } from "../../../supabase/functions/_shared/contract/routing/condition.ts";
import { CliError } from "../../core/errors.ts";
import type { Io } from "../../core/io.ts";
import { type LinksApi, linksApi } from "./api.ts";
import { hostsToAllow, loadRules, UNSEEN_MS } from "./rules.ts";
import { facts, table } from "../../core/output.ts";
import { fromHere } from "../../core/paths.ts";
import type { Result, Run, Session } from "../../core/session.ts";
import { several } from "../../core/values.ts";

/** Bytes of links in one call, with room below what the function takes (`MAX_BULK_BYTES`). */
const BYTES = 3_500_000;
/** Refused rows that are shown to people. */
const SHOWN = 20;

interface Options {
  format?: Format;
  domain?: string;
  tag?: string[];
  newCodes?: boolean;
  dryRun?: boolean;
}

/** What became of a row. */
interface Outcome {
  /** Where it is in the file, see `Row`. */
  row: number;
  /** ready: would be made (dry run). left_out: not meant to be made. */
  status: "made" | "exists" | "ready" | "refused" | "left_out";
  external_id: string;
  code?: string;
  /** Code of the refusal, as the function gives it. */
  error?: string;
  why?: string;
}

interface Pending {
  outcome: Outcome;
  link: Record<string, unknown>;
  bytes: number;
}

/** Words as a list in lines of the help. */
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
    .description("import links from a file: CSV, or an export from Bitly, Dub or Firebase Dynamic Links")
    .argument("<file>", "CSV, JSON or JSON lines; - reads standard input")
    .addOption(
      new Option("--format <format>", "format of the file (default: detected from its columns)").choices([
        ...FORMATS,
      ]),
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
passwords. JSON has the bodies of POST deeplinks. The panel reads the same files.

Codes are kept in lower case: of two codes that differ only by case, the second is refused. Disabled links are skipped;
archived ones, which still redirect at Bitly, Dub and Firebase, get the tag archived.

Each link has an external id, from the file or made from its short link. To continue an interrupted import, run it
again: existing links are recognised. Exit code 1 if a row was refused; the others are created.

Examples:
  gatelink links import links.csv --dry-run
  gatelink links import bitly-export.csv --domain go.example.com --tag from-bitly
  gatelink links import dynamic-links.csv --format firebase
  gatelink links import exported.jsonl --new-codes`,
    )
    .action((file: string, options: Options) => run((session) => imported(session, file, options)));
}

async function imported(session: Session, file: string, options: Options): Promise<Result> {
  const { columns, rows } = tableOf(await read(session.io, file), file);
  const format = options.format ?? detect(columns);
  const api = await linksApi(session);
  const rules = await loadRules(await session.api());
  const outcomes: Outcome[] = [];
  const pending: Pending[] = [];
  const lost: Record<string, number> = {};
  const hosts = new Set<string>();
  for (const row of rows) {
    const mapped = await mapRow(format, row);
    const { link } = mapped;
    for (const column of mapped.lost) lost[column] = (lost[column] ?? 0) + 1;
    if (options.newCodes) delete link.code;
    if (options.tag) link.tags = [...asList(link.tags), ...options.tag];
    const outcome: Outcome = { row: row.place, status: "ready", external_id: link.external_id };
    if (typeof link.code === "string") outcome.code = link.code;
    outcomes.push(outcome);
    const elsewhere = options.domain !== undefined && mapped.domain !== options.domain.toLowerCase();
    const leftOut = elsewhere ? `it is not on ${options.domain}` : mapped.leftOut;
    if (leftOut !== undefined) {
      Object.assign(outcome, { status: "left_out", why: leftOut });
      continue;
    }
    // What the function would refuse is known here already, without asking, and with all that is wrong.
    const read = newLink.safeParse(link);
    const faults = read.success ? checkPlaces(read.data, rules) : [];
    if (!read.success) {
      const why = read.error.issues.map(({ path, message }) => `${pathOf(path)} ${message}`.trim()).join(
        "; ",
      );
      Object.assign(outcome, { status: "refused", error: "invalid_request", why });
    } else if (faults.length > 0) {
      const why = faults.map(({ path, why }) => `${path} ${why}`).join("; ");
      Object.assign(outcome, { status: "refused", error: "url_not_allowed", why });
      for (const host of hostsToAllow(read.data, rules)) hosts.add(host);
    } else {
      pending.push({ outcome, link, bytes: JSON.stringify(link).length });
    }
    if (outcomes.length % MAX_BULK === 0) session.progress(`${outcomes.length} of ${rows.length} rows read`);
  }
  if (!options.dryRun) await make(session, api, pending);
  return report(
    { file, format, dry_run: options.dryRun === true, hosts_to_allow: [...hosts].sort(), lost },
    outcomes,
  );
}

async function read(io: Io, file: string): Promise<string> {
  try {
    return file === "-" ? await io.stdin() : await readFile(fromHere(io, file), "utf8");
  } catch (error) {
    throw new CliError("usage", `${file} cannot be read: ${(error as Error).message}`, "Check the path.");
  }
}

function tableOf(text: string, file: string): Table {
  try {
    return readTable(text, file);
  } catch (error) {
    if (!(error instanceof UnreadableFile)) throw error;
    throw new CliError("usage", error.message, "gatelink links import --help describes the formats.");
  }
}

function asList(tags: unknown): unknown[] {
  return Array.isArray(tags) ? tags : [];
}

async function make(
  session: Session,
  api: LinksApi,
  pending: readonly Pending[],
  again = false,
): Promise<void> {
  let done = 0;
  for (const batch of batches(pending)) {
    let results: BulkResult[];
    try {
      results = await api.createMany(batch.map(({ link }) => link));
    } catch (error) {
      if (!(error instanceof CliError) || done === 0) throw error;
      const hint = `${
        counted(done, "row")
      } of ${pending.length} are done. Run the command again: it goes on from there.`;
      throw new CliError(error.code, error.message, hint, { cause: error });
    }
    batch.forEach(({ outcome }, index) => {
      const result = results[index];
      if ("code" in result) {
        Object.assign(outcome, { status: result.status === 201 ? "made" : "exists", code: result.code });
      } else {
        const { error, detail } = result;
        Object.assign(outcome, { status: "refused", error, why: detail ?? WHY[error] ?? error });
      }
    });
    done += batch.length;
    session.progress(`${done} of ${pending.length} links sent`);
  }
  // Everything sent was allowed by the rules as they are: the function had not seen yet what was allowed a moment ago.
  const unseen = pending.filter(({ outcome }) => outcome.error === "url_not_allowed");
  if (unseen.length === 0 || again) return;
  session.progress("waiting until the function has seen the allowlist");
  await new Promise((resolve) => setTimeout(resolve, UNSEEN_MS));
  for (const { outcome } of unseen) outcome.error = outcome.why = undefined;
  await make(session, api, unseen, true);
}

const WHY: Record<string, string> = {
  code_taken: "this code is or was used by another link",
  code_reserved: "this code is reserved",
  external_id_taken: "it exists with other values; change it with PATCH, or delete it first",
  no_code_found: "no free code was found; run the command again",
};

/** Calls as large as the function takes them. */
function* batches(pending: readonly Pending[]): Generator<Pending[]> {
  let batch: Pending[] = [], bytes = 0, passwords = 0;
  for (const item of pending) {
    const hasPassword = item.link.password !== undefined;
    if (
      batch.length === MAX_BULK || bytes + item.bytes > BYTES ||
      (hasPassword && passwords === MAX_BULK_PASSWORDS)
    ) {
      yield batch;
      batch = [], bytes = 0, passwords = 0;
    }
    batch.push(item);
    bytes += item.bytes + 1;
    if (hasPassword) passwords++;
  }
  if (batch.length > 0) yield batch;
}

const TITLES: Record<string, string> = { ready: "would be made", made: "made", exists: "made before" };

interface Summary {
  file: string;
  format: Format;
  dry_run: boolean;
  /** Hosts that links would lead to and may not. */
  hosts_to_allow: string[];
  /** Columns with values that links cannot hold, and in how many rows. */
  lost: Record<string, number>;
}

function report(summary: Summary, outcomes: Outcome[]): Result {
  const { file, format, dry_run, hosts_to_allow, lost } = summary;
  const count = (status: Outcome["status"]) => outcomes.filter((outcome) => outcome.status === status).length;
  const did: Record<string, number> = dry_run
    ? { ready: count("ready") }
    : { made: count("made"), exists: count("exists") };
  const counts = { rows: outcomes.length, ...did, refused: count("refused"), left_out: count("left_out") };
  const refused = outcomes.filter(({ status }) => status === "refused");
  // Object.groupBy() is of Node 21.
  const leftOut = new Map<string, number>();
  for (const { status, why = "" } of outcomes) {
    if (status === "left_out") leftOut.set(why, (leftOut.get(why) ?? 0) + 1);
  }
  const parts = [
    facts({
      file: `${file} (${format})`,
      rows: counts.rows,
      ...Object.fromEntries(Object.entries(did).map(([name, n]) => [TITLES[name], n])),
      refused: counts.refused > 0 ? ["red", String(counts.refused)] : 0,
      ...(counts.left_out > 0
        ? {
          "left out": `${counts.left_out} (${[...leftOut].map(([why, n]) => `${n}: ${why}`).join("; ")})`,
        }
        : {}),
      ...(Object.keys(lost).length > 0
        ? { "not carried over": Object.entries(lost).map(([column, n]) => `${column} (${n})`).join(", ") }
        : {}),
    }),
  ];
  if (refused.length > 0) {
    const more = refused.length - SHOWN;
    parts.push(
      table(
        ["row", "code", "reason"],
        refused.slice(0, SHOWN).map(({ row, code, why }) => [row, code, why]),
      ) + (more > 0 ? `\nand ${counted(more, "other")}: --json lists them all.` : ""),
    );
  }
  if (hosts_to_allow.length > 0) {
    parts.push(
      "These hosts are not on the allowlist. To allow them:\n" +
        hosts_to_allow.slice(0, SHOWN).map((host) => `  gatelink allowlist add ${host} --for redirect`).join(
          "\n",
        ),
    );
  }
  return {
    document: { ...summary, ...counts, results: outcomes },
    text: parts.join("\n\n"),
    failed: refused.length > 0,
  };
}
