/** Formats results: tables and colours for people. */
import { DESTINATION_STATE_WORDS } from "../../supabase/functions/_shared/contract/words/destinations.ts";
import type { ShownDestinationState } from "../../supabase/functions/_shared/contract/states.ts";

const STYLES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const;

/** Styles a text; `plain` removes the styles where they are not shown. */
export function paint(style: keyof typeof STYLES, text: string): string {
  return `\x1b[${STYLES[style]}m${text}\x1b[0m`;
}

const PAINTED = new RegExp(`\x1b\\[(?:${[0, ...Object.values(STYLES)].join("|")})m`, "g");

/** The text without its styles. */
export function plain(text: string): string {
  return text.replace(PAINTED, "");
}

/** A cell of a table: a value, or a text and its style. Null and undefined are shown as a dash. */
export type Cell = string | number | boolean | null | undefined | [style: keyof typeof STYLES, text: string];

/** A green `good` or a red `bad`. */
export function verdict(ok: boolean, good = "ok", bad = "FAILED"): Cell {
  return ok ? ["green", good] : ["red", bad];
}

/**
 * Rows under a heading, in columns, numbers right-aligned; the sentence `empty` if there are no rows.
 *
 * @example
 * ```ts
 * table(["name", "n"], [["demo", 3]], "Nothing yet.");
 * ```
 */
export function table(heading: string[], rows: Cell[][], empty = ""): string {
  if (rows.length === 0) return empty;
  const widths = heading.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => textOf(row[column]).length))
  );
  const line = (cells: Cell[]) =>
    cells.map((cell, column) => {
      const text = textOf(cell);
      const space = " ".repeat(widths[column] - text.length);
      if (typeof cell === "number") return space + text;
      return (Array.isArray(cell) ? paint(cell[0], text) : text) + space;
    }).join("  ").trimEnd();
  return [line(heading.map((title) => ["bold", title])), ...rows.map(line)].join("\n");
}

/** Names and values, one per line. */
export function facts(values: Record<string, Cell>): string {
  const width = Math.max(...Object.keys(values).map((name) => name.length));
  return Object.entries(values).map(([name, value]) => `${name.padEnd(width)}  ${textOf(value)}`).join("\n");
}

const TONES = { good: "green", warn: "yellow", bad: "red" } as const;

/** The state of a destination, in its colour. */
export function destinationState(state: ShownDestinationState): Cell {
  const [words, tone] = DESTINATION_STATE_WORDS[state];
  return [TONES[tone], words];
}

/** A duration in a short form: 45 s, 12 min, 3 h, 2 d. */
export function age(seconds: number | null): string {
  if (seconds === null) return "-";
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** A time of the database as `2026-11-21 14:05:09Z`. */
export function time(iso: string | null): string {
  return iso === null ? "-" : new Date(iso).toISOString().replace("T", " ").replace(/\.\d+/, "");
}

/** Text on one line without control characters, because external text must not control the terminal. */
export function clean(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ").trim();
}

function textOf(cell: Cell): string {
  if (cell === null || cell === undefined || cell === "") return "-";
  return clean(Array.isArray(cell) ? cell[1] : String(cell));
}
