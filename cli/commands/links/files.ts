/** Files of links, read into records: CSV, JSON, JSON lines. And CSV, written. Pure. */
import { parse } from "csv-parse/sync";
import { stringify } from "csv-stringify/sync";
import { CliError } from "../../core/errors.ts";

/** One link of a file, by its columns or keys. */
export interface Row {
  /** Its line in a spreadsheet or a file of JSON lines, its place in a JSON list; from 1. */
  place: number;
  values: Record<string, unknown>;
}

/** What was read. */
export interface Table {
  /** Columns of a CSV file, keys that occur in JSON. */
  columns: string[];
  rows: Row[];
}

/**
 * Reads a file: CSV with a heading (commas, semicolons or tabs), a JSON list of objects or `{"links": […]}`, or JSON
 * lines.
 * @throws {CliError} usage, when it is none of these.
 */
export function readTable(text: string, name: string): Table {
  const begin = text.trimStart()[0];
  if (begin === undefined) throw unreadable(name, "it is empty");
  return begin === "{" || begin === "[" ? readJson(text, name) : readCsv(text, name);
}

function readCsv(text: string, name: string): Table {
  let lines: string[][];
  try {
    lines = parse(text, {
      delimiter: separatorOf(text),
      record_delimiter: ["\r\n", "\n", "\r"],
      bom: true,
      skip_empty_lines: true,
      // Rows of another length are told by their place in the spreadsheet.
      relax_column_count: true,
    });
  } catch (error) {
    throw unreadable(name, `it is not CSV: ${(error as Error).message}`);
  }
  const [heading, ...records] = lines;
  const columns = heading.map((column) => column.trim());
  const twice = columns.find((column, index) => column !== "" && columns.indexOf(column) !== index);
  if (twice !== undefined) throw unreadable(name, `two columns are called ${twice}`);
  const rows = records.map((cells, index) => {
    if (cells.length !== columns.length) {
      throw unreadable(
        name,
        `row ${index + 2} has ${cells.length} cells, but the heading has ${columns.length}`,
      );
    }
    return {
      place: index + 2,
      values: Object.fromEntries(cells.map((cell, column) => [columns[column], disarmed(cell)])),
    };
  });
  // Spreadsheets write rows of nothing where something was once.
  return { columns, rows: rows.filter(({ values }) => Object.values(values).some((cell) => cell !== "")) };
}

/** The one of comma, semicolon (spreadsheets in much of Europe) and tab that the heading has most of. */
function separatorOf(text: string): string {
  const heading = text.trimStart().split("\n", 1)[0].replaceAll(/"[^"]*"/g, "");
  const count = (separator: string) => heading.split(separator).length;
  return [",", ";", "\t"].reduce((best, next) => count(next) > count(best) ? next : best);
}

function readJson(text: string, name: string): Table {
  let list: unknown;
  try {
    const whole = JSON.parse(text);
    list = Array.isArray(whole) ? whole : Array.isArray(whole.links) ? whole.links : [whole];
  } catch {
    list = undefined;
  }
  const rows = Array.isArray(list)
    ? list.map((values, index) => ({ place: index + 1, values }))
    : text.split("\n").flatMap((line, index) =>
      line.trim() === "" ? [] : [{ place: index + 1, values: jsonLine(line, index + 1, name) }]
    );
  for (const { place, values } of rows) {
    if (typeof values !== "object" || values === null || Array.isArray(values)) {
      throw unreadable(name, `entry ${place} is not an object`);
    }
  }
  return { columns: [...new Set(rows.flatMap(({ values }) => Object.keys(values)))], rows };
}

function jsonLine(line: string, place: number, name: string) {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw unreadable(name, `line ${place} is not JSON: ${(error as Error).message}`);
  }
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
    // By itself it quotes the whole delimiter of records, and no half of one.
    quoted_match: /[\r\n]/,
  });
}

/**
 * A cell that a spreadsheet would take for a formula gets an apostrophe before it: what stands in a tag must not run on
 * the machine of whoever opens the file. Reading takes it off again.
 */
function armed(value: unknown): string {
  const text = value === null || value === undefined
    ? ""
    : typeof value === "object"
    ? JSON.stringify(value)
    : String(value);
  return /^'*[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}

function disarmed(cell: string): string {
  return /^'+[=+\-@\t\r]/.test(cell) ? cell.slice(1) : cell;
}

function unreadable(name: string, why: string): CliError {
  return new CliError(
    "usage",
    `${name} cannot be read: ${why}.`,
    "gatelink links import --help describes the formats.",
  );
}
