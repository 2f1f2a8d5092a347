/** A file of links as what is sent to make them: read by the code that `gatelink links import` reads it with. */
import { MAX_BULK } from "../../../../supabase/functions/_shared/contract/link_limits.ts";
import { readTable, UnreadableFile } from "../../../../supabase/functions/_shared/links/table/read.ts";
import { detect, type Mapped, mapRow } from "../../../../supabase/functions/_shared/links/table/sources.ts";

/** One link of a file. */
export interface FileRow {
  /** Its line in a spreadsheet, its place in a JSON list. */
  place: number;
  /** Body of `POST deeplinks`; the function checks it. */
  link: Mapped["link"];
}

/** What a file holds. */
export interface LinkFile {
  rows: FileRow[];
  /** Rows that are not meant to be made, such as links that are disabled, and why. */
  leftOut: { place: number; why: string }[];
  /** Columns with values that no link can hold. */
  lost: string[];
  /** Why nothing of it can be made. */
  fault?: string;
}

/** Nothing. */
export const NO_FILE: LinkFile = { rows: [], leftOut: [], lost: [] };

/** Reads a CSV, JSON or JSON lines: ours, or an export of Bitly, Dub or Firebase. */
export async function readLinkFile(text: string): Promise<LinkFile> {
  if (text.trim() === "") return NO_FILE;
  try {
    const { columns, rows } = readTable(text, "This");
    if (rows.length > MAX_BULK) {
      return { ...NO_FILE, fault: `There are ${rows.length} rows; at most ${MAX_BULK} go in one file.` };
    }
    const format = detect(columns);
    const mapped = await Promise.all(
      rows.map(async (row) => ({ place: row.place, ...await mapRow(format, row) })),
    );
    return {
      rows: mapped.flatMap(({ place, link, leftOut }) => leftOut === undefined ? [{ place, link }] : []),
      leftOut: mapped.flatMap(({ place, leftOut: why }) => why === undefined ? [] : [{ place, why }]),
      lost: [...new Set(mapped.flatMap(({ lost }) => lost))],
    };
  } catch (error) {
    if (!(error instanceof UnreadableFile)) throw error;
    return { ...NO_FILE, fault: error.message };
  }
}
