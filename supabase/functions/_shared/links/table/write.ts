/**
 * Writes links as CSV or JSON lines. `read.ts` and `sources.ts` read both back. Pure.
 *
 * @module
 */
import { stringify } from "csv-stringify/sync";
import { columnOf, FIELDS, type LinkField } from "../../contract/link_fields.ts";
import type { Link } from "../../contract/links.ts";

/** The formats for writing links. */
export const WRITTEN = ["csv", "jsonl"] as const;

/** A column: its name and value. */
type Column = readonly [name: string, of: (link: Link) => unknown];

/** Columns of the CSV: the fields, and the other properties of a link. */
const COLUMNS: readonly Column[] = [
  ["code", ({ code }) => code],
  ["short_link", ({ url }) => url],
  ["state", ({ state }) => state],
  ...FIELDS.flatMap(columnsOf),
  // Only whether there is a password.
  ["password", ({ password }) => password || undefined],
  ["uses", ({ uses }) => uses],
  ["created_at", ({ created_at }) => created_at],
];

function columnsOf(field: LinkField & { name: keyof Link }): Column[] {
  if (field.kind !== "group" && field.kind !== "chat") {
    return [[columnOf(field), (link) => cellOf(field, link[field.name])]];
  }
  return Object.entries(field.parts).map((part): Column => [
    columnOf(field, part),
    (link) => (link[field.name] as Record<string, unknown> | undefined)?.[part[0]],
  ]);
}

/** The value of a cell; undefined for a default. */
function cellOf({ kind }: LinkField, value: unknown): unknown {
  switch (kind) {
    case "switch":
      return value || undefined;
    case "rules":
      return (value as unknown[] | undefined)?.length ? value : undefined;
    case "tags": {
      const tags = value as string[] | undefined;
      return tags?.some((tag) => /[,;|]|^[[{]/.test(tag)) ? tags : tags?.join(", ");
    }
    default:
      return value;
  }
}

/** Without a byte order mark, spreadsheets decode a CSV in their own charset. */
const MARK = "\ufeff";

/** Links as a part of a file; `first` adds a byte order mark and the heading of a CSV. */
export function written(links: readonly Link[], format: typeof WRITTEN[number], first: boolean): string {
  if (format === "csv") {
    const rows = links.map((link) => Object.fromEntries(COLUMNS.map(([column, of]) => [column, of(link)])));
    return (first ? MARK : "") + csv(COLUMNS.map(([column]) => column), rows, first);
  }
  return links.map(({ url, qr_url: _, ...link }) => `${JSON.stringify({ short_link: url, ...link })}\n`)
    .join("");
}

/** Rows as CSV with a heading, in the order of the columns. */
export function csv(
  columns: readonly string[],
  rows: readonly Record<string, unknown>[],
  heading = true,
): string {
  const cells = rows.map((row) => Object.fromEntries(columns.map((column) => [column, armed(row[column])])));
  return stringify(cells, {
    columns: [...columns],
    header: heading,
    record_delimiter: "\r\n",
    // By default it quotes cells with the whole record delimiter, but not those with half of it.
    quoted_match: /[\r\n;\t]|^\s/,
  });
}

/**
 * Puts an apostrophe before a cell that a spreadsheet would interpret as a formula: the text of a tag must not execute
 * on the machine of the person who opens the file. Reading removes it again.
 */
function armed(value: unknown): string {
  const text = value === null || value === undefined
    ? ""
    : typeof value === "object"
    ? JSON.stringify(value)
    : String(value);
  return /^'*[=+\-@\t\r\n＝＋－＠]/.test(text) ? `'${text}` : text;
}
