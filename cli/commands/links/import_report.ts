/** The final report of `gatelink links import`. */
import type { Format } from "../../../supabase/functions/_shared/links/table/sources.ts";
import { counted } from "../../../supabase/functions/_shared/contract/words/sentences.ts";
import { facts, table } from "../../core/output.ts";
import type { Result } from "../../core/session.ts";

/** Number of refused rows shown to people. */
const SHOWN = 20;

/** The result of a row, or of one of its links. */
export interface Outcome {
  /** Its position in the file, see `Row`. */
  row: number;
  /** ready: would be created (dry run). left_out: not meant to be created. */
  status: "made" | "exists" | "ready" | "refused" | "left_out";
  external_id: string;
  code?: string;
  /** Error code of the refusal, as the function returns it. */
  error?: string;
  why?: string;
  /** Columns with values that the link cannot store. */
  lost?: string[];
}

const TITLES: Record<string, string> = { ready: "would be made", made: "made", exists: "made before" };

/** Totals of the whole file. */
export interface Summary {
  file: string;
  format: Format;
  dry_run: boolean;
  /** Rows of the file. */
  rows: number;
  /** Rows with a time without a zone, which was taken as UTC. */
  assumed_utc: number;
  /** Disallowed hosts that links would lead to. */
  hosts_to_allow: string[];
  /** Columns with values that links cannot store, and the number of rows for each. */
  lost: Record<string, number>;
}

/**
 * The document and the text of the report. The result is a failure if part of the file was not carried over.
 *
 * @param isWhole Whether every omitted row was omitted on request.
 */
export function report(summary: Summary, outcomes: Outcome[], isWhole: boolean): Result {
  const { file, format, dry_run, rows, assumed_utc, hosts_to_allow, lost } = summary;
  const count = (status: Outcome["status"]) => outcomes.filter((outcome) => outcome.status === status).length;
  const did: Record<string, number> = dry_run
    ? { ready: count("ready") }
    : { made: count("made"), exists: count("exists") };
  const counts = { rows, ...did, refused: count("refused"), left_out: count("left_out") };
  const refused = outcomes.filter(({ status }) => status === "refused");
  // Object.groupBy() requires Node 21.
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
      ...(Object.keys(lost).length > 0 ? { "not carried over": ["yellow", lostOf(lost, outcomes)] } : {}),
      ...(assumed_utc > 0
        ? { "read as UTC": `times without a zone, in ${counted(assumed_utc, "row")}` }
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
    failed: refused.length > 0 || Object.keys(lost).length > 0 || !isWhole,
  };
}

/** Each column with the number of its rows, and the first of them. */
function lostOf(lost: Readonly<Record<string, number>>, outcomes: readonly Outcome[]): string {
  return Object.entries(lost).map(([column, n]) => {
    const rows = outcomes.filter((outcome) => outcome.lost?.includes(column)).map(({ row }) => row);
    const first = rows.slice(0, 3).join(", ") + (rows.length > 3 ? ", …" : "");
    return `${column} (${n}: row${rows.length === 1 ? "" : "s"} ${first})`;
  }).join("; ");
}
