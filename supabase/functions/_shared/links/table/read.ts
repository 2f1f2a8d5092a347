/**
 * Reads files of links into rows: CSV, JSON, JSON lines. Pure.
 *
 * A row that cannot be read is refused with a reason; the file is refused only if nothing in it can be read.
 *
 * @module
 */
import { counted } from "../../contract/words/sentences.ts";
import { nameOf } from "./cells.ts";
import { parseCsv } from "./csv.ts";
import { UnreadableFile } from "./unreadable.ts";

/** One link of a file, by its columns or keys. */
export interface Row {
  /** Its line in a spreadsheet or a file of JSON lines, or its position in a JSON list; from 1. */
  place: number;
  values: Record<string, unknown>;
  /** Why it cannot be read; the row then has no values. */
  fault?: string;
}

/** The contents of a file. */
export interface Table {
  /** Columns of a CSV file, or keys that occur in JSON. */
  columns: string[];
  rows: Row[];
}

/**
 * Reads a file: CSV with a heading (commas, semicolons, tabs or bars), a JSON list of objects or an API's answer that
 * contains one, or JSON lines.
 *
 * @param name The file's name in messages.
 * @throws {UnreadableFile} if it is none of these.
 */
export function readTable(text: string, name: string): Table {
  const whole = text.replace(/^\ufeff/, "");
  const begin = whole.trimStart()[0];
  if (begin === undefined) throw unreadable(name, "it is empty");
  return begin === "{" || begin === "[" ? readJson(whole, name) : readCsv(whole, name);
}

/** A first line that names the separator for spreadsheets, which do not show it as a row. */
const SEPARATOR_LINE = /^sep=(.)(?:\r\n|\n|\r)/i;

function readCsv(text: string, name: string): Table {
  const told = SEPARATOR_LINE.exec(text);
  const body = told === null ? text : text.slice(told[0].length);
  const records = parseCsv(body, told?.[1] ?? separatorOf(body));
  const isEmpty = (cells: string[]) => cells.every((cell) => cell.trim() === "");
  const first = records.findIndex(({ cells, fault }) => fault !== undefined || !isEmpty(cells));
  if (first < 0) throw unreadable(name, "it is empty");
  const heading = records[first];
  if (heading.fault !== undefined) throw unreadable(name, `it is not CSV: row ${first + 1} ${heading.fault}`);
  const columns = columnsOf(heading.cells, name);
  const rows = records.flatMap(({ cells, fault }, index): Row[] => {
    const place = index + 1;
    // Spreadsheets write empty rows where cells were cleared.
    if (index <= first || (fault === undefined && isEmpty(cells))) return [];
    const why = fault ?? misfit(cells, columns.length);
    if (why !== undefined) return [{ place, values: {}, fault: why }];
    return [{
      place,
      values: Object.fromEntries(columns.map((column, at) => [column, disarmed(cells[at])])),
    }];
  });
  return { columns, rows };
}

/** The names of the columns; one without a name is named by its position. */
function columnsOf(heading: readonly string[], name: string): string[] {
  const columns = heading.map((column, index) => disarmed(column).trim() || `column ${index + 1}`);
  const twice = columns.find((column, index) =>
    columns.findIndex((other) => nameOf(other) === nameOf(column)) !== index
  );
  if (twice !== undefined) throw unreadable(name, `two columns are called ${twice}`);
  return columns;
}

/** The fault in the number of cells. Spreadsheets write empty cells after the last column. */
function misfit(cells: readonly string[], columns: number): string | undefined {
  return cells.length < columns || cells.slice(columns).some((cell) => cell.trim() !== "")
    ? `has ${counted(cells.length, "cell")}, but the heading has ${columns}`
    : undefined;
}

/** The most frequent of comma, semicolon (spreadsheets in much of Europe), tab and bar in the heading. */
function separatorOf(text: string): string {
  const heading = text.trimStart().split(/[\r\n]/, 1)[0].replaceAll(/"[^"]*"/g, "");
  const count = (separator: string) => heading.split(separator).length;
  return [",", ";", "\t", "|"].reduce((best, next) => count(next) > count(best) ? next : best);
}

function readJson(text: string, name: string): Table {
  const list = listOf(text);
  const rows = list !== undefined
    ? list.map((values, index) => rowOf(index + 1, values))
    : text.split(/\r\n|\n|\r/).flatMap((line, index) => line.trim() === "" ? [] : [lineOf(line, index + 1)]);
  if (rows.length > 0 && rows.every(({ fault }) => fault !== undefined)) {
    throw unreadable(name, `${list === undefined ? "line" : "entry"} ${rows[0].place} ${rows[0].fault}`);
  }
  return { columns: [...new Set(rows.flatMap(({ values }) => Object.keys(values)))], rows };
}

/** Members in which APIs return a list. */
const LISTS = ["links", "data", "results", "items"];

/** The list that a JSON document contains; undefined if the text is not one document. */
function listOf(text: string): unknown[] | undefined {
  let whole: unknown;
  try {
    whole = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (Array.isArray(whole)) return whole;
  for (const name of LISTS) {
    const list = (whole as Record<string, unknown>)[name];
    if (Array.isArray(list)) return list;
    // YOURLS returns an object with a key for each link: {"links": {"link_1": {…}}}.
    if (isObject(list) && Object.values(list).every(isObject)) return Object.values(list);
  }
  return [whole];
}

function lineOf(line: string, place: number): Row {
  try {
    return rowOf(place, JSON.parse(line));
  } catch (error) {
    return { place, values: {}, fault: `is not JSON: ${(error as Error).message}` };
  }
}

function rowOf(place: number, values: unknown): Row {
  return isObject(values) ? { place, values } : { place, values: {}, fault: "is not an object" };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The cell before `armed()` in `write.ts` changed it. */
function disarmed(cell: string): string {
  return FORMULA.test(cell) ? cell.slice(1) : cell;
}

/** Text that a spreadsheet might execute, after one or more apostrophes. */
const FORMULA = /^'+[=+\-@\t\r\n＝＋－＠]/;

function unreadable(name: string, why: string): UnreadableFile {
  return new UnreadableFile(`${name} cannot be read: ${why}.`);
}
