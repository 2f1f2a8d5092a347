/** Reads a file of links into requests that create them, with the code of `gatelink links import`. */
import { MAX_BULK } from "../../../../supabase/functions/_shared/contract/link_limits.ts";
import { textOf, UnknownCharset } from "../../../../supabase/functions/_shared/links/table/charset.ts";
import { readTable } from "../../../../supabase/functions/_shared/links/table/read.ts";
import {
  detect,
  type MapOptions,
  type Mapped,
  mapRow,
} from "../../../../supabase/functions/_shared/links/table/sources.ts";
import { UnreadableFile } from "../../../../supabase/functions/_shared/links/table/unreadable.ts";

/** One link of a file. */
export interface FileRow {
  /** Its line in a spreadsheet, or its position in a JSON list. */
  place: number;
  /** Body of `POST deeplinks`, which validates it. */
  link: Mapped["link"];
}

/** Column that a file of refused rows has beside its own; it is not read again. */
export const WHY_COLUMN = "refused_because";

/** Contents of a file. */
export interface LinkFile {
  rows: FileRow[];
  /** Rows that are skipped on purpose, such as disabled links, and why. */
  leftOut: { place: number; why: string }[];
  /** Rows that cannot be read reliably, and why. */
  refused: { place: number; why: string }[];
  /** The cells of each row as they stand in the file, by place. */
  cells: ReadonlyMap<number, Record<string, unknown>>;
  /** Columns with values that a link cannot store, and in how many rows. */
  lost: { column: string; rows: number }[];
  /** Number of rows with a time without a zone, which was read as UTC. */
  assumedUtc: number;
  /** Why the whole file cannot be imported. */
  fault?: string;
}

/** No links. */
export const NO_FILE: LinkFile = {
  rows: [],
  leftOut: [],
  refused: [],
  cells: new Map(),
  lost: [],
  assumedUtc: 0,
};

/**
 * The text of a file, or why it cannot be read. `asksCharset` is true if the person has to choose its
 * encoding.
 */
export function textOfFile(
  bytes: Uint8Array,
  charset: string | undefined,
): { text: string } | { fault: string; asksCharset: boolean } {
  try {
    return { text: textOf(bytes, "This file", charset) };
  } catch (error) {
    if (!(error instanceof UnreadableFile)) throw error;
    return { fault: error.message, asksCharset: charset !== undefined || error instanceof UnknownCharset };
  }
}

/** Reads CSV, JSON or JSON lines: Gatelink's own, or an export of another service. */
export async function readLinkFile(text: string, options: MapOptions = {}): Promise<LinkFile> {
  if (text.trim() === "") return NO_FILE;
  try {
    const { columns, rows } = readTable(text, "This");
    if (rows.length > MAX_BULK) {
      return { ...NO_FILE, fault: `There are ${rows.length} rows; at most ${MAX_BULK} go in one file.` };
    }
    const format = detect(columns);
    const mapped = (await Promise.all(
      rows.map(async (row) =>
        (await mapRow(format, row, options)).map((one) => ({ place: row.place, ...one }))
      ),
    )).flat();
    const lost = new Map<string, number>();
    for (const one of mapped) {
      if (one.leftOut !== undefined || one.fault !== undefined) continue;
      for (const column of one.lost) lost.set(column, (lost.get(column) ?? 0) + 1);
    }
    const because = (why: (one: Mapped) => string | undefined) =>
      mapped.flatMap((one) => {
        const said = why(one);
        return said === undefined ? [] : [{ place: one.place, why: said }];
      });
    return {
      rows: mapped.flatMap(({ place, link, leftOut, fault }) =>
        leftOut === undefined && fault === undefined ? [{ place, link }] : []
      ),
      leftOut: because(({ leftOut }) => leftOut),
      refused: because(({ leftOut, fault }) => leftOut === undefined ? fault : undefined),
      cells: new Map(rows.map(({ place, values }) => [place, values])),
      lost: [...lost].filter(([column]) => column !== WHY_COLUMN).map(([column, rows]) => ({ column, rows })),
      assumedUtc: new Set(mapped.flatMap(({ place, assumedUtc }) => assumedUtc ? [place] : [])).size,
    };
  } catch (error) {
    if (!(error instanceof UnreadableFile)) throw error;
    return { ...NO_FILE, fault: error.message };
  }
}
