/** A file of links as what is sent to make them: read by the code that `gatelink links import` reads it with. */
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
  /** Rows that cannot be read for certain, and why. */
  refused: { place: number; why: string }[];
  /** Columns with values that no link can hold, and in how many rows. */
  lost: { column: string; rows: number }[];
  /** Rows with a time that named no zone, and was taken for one of UTC. */
  assumedUtc: number;
  /** Why nothing of it can be made. */
  fault?: string;
}

/** Nothing. */
export const NO_FILE: LinkFile = { rows: [], leftOut: [], refused: [], lost: [], assumedUtc: 0 };

/** The text of a file, or why there is none; `asksCharset` where only people can know what it is in. */
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

/** Reads a CSV, JSON or JSON lines: ours, or an export of another service. */
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
      lost: [...lost].map(([column, rows]) => ({ column, rows })),
      assumedUtc: new Set(mapped.flatMap(({ place, assumedUtc }) => assumedUtc ? [place] : [])).size,
    };
  } catch (error) {
    if (!(error instanceof UnreadableFile)) throw error;
    return { ...NO_FILE, fault: error.message };
  }
}
