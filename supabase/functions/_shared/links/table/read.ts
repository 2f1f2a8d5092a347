/**
 * Files of links, read into records: CSV, JSON, JSON lines. Pure.
 *
 * @module
 */
import { parse } from "csv-parse/sync";

/** A file that cannot be read: the message says where and why. */
export class UnreadableFile extends Error {
  override readonly name = "UnreadableFile";
}

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
 * @param name How messages call the file.
 * @throws {UnreadableFile} when it is none of these.
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

/** The cell as it was before `armed()` in `write.ts`. */
function disarmed(cell: string): string {
  return /^'+[=+\-@\t\r]/.test(cell) ? cell.slice(1) : cell;
}

function unreadable(name: string, why: string): UnreadableFile {
  return new UnreadableFile(`${name} cannot be read: ${why}.`);
}
