/**
 * Files of links, read into rows: CSV, JSON, JSON lines. Pure.
 *
 * A row that cannot be read refuses itself and says why; the file is refused only where nothing of it can be read.
 *
 * @module
 */
import { counted } from "../../contract/words/sentences.ts";
import { nameOf } from "./cells.ts";
import { parseCsv } from "./csv.ts";
import { UnreadableFile } from "./unreadable.ts";

/** One link of a file, by its columns or keys. */
export interface Row {
  /** Its line in a spreadsheet or a file of JSON lines, its place in a JSON list; from 1. */
  place: number;
  values: Record<string, unknown>;
  /** Why it cannot be read; then it has no values. */
  fault?: string;
}

/** What was read. */
export interface Table {
  /** Columns of a CSV file, keys that occur in JSON. */
  columns: string[];
  rows: Row[];
}

/**
 * Reads a file: CSV with a heading (commas, semicolons or tabs), a JSON list of objects or an answer of an API that holds
 * one, or JSON lines.
 * @param name How messages call the file.
 * @throws {UnreadableFile} when it is none of these.
 */
export function readTable(text: string, name: string): Table {
  const whole = text.replace(/^\ufeff/, "");
  const begin = whole.trimStart()[0];
  if (begin === undefined) throw unreadable(name, "it is empty");
  return begin === "{" || begin === "[" ? readJson(whole, name) : readCsv(whole, name);
}

/** First line by which a spreadsheet is told what stands between cells; it shows no row for it. */
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
    // Spreadsheets write rows of nothing where something was once.
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

/** The names of the columns; one without a name is called by its place. */
function columnsOf(heading: readonly string[], name: string): string[] {
  const columns = heading.map((column, index) => disarmed(column).trim() || `column ${index + 1}`);
  const twice = columns.find((column, index) =>
    columns.findIndex((other) => nameOf(other) === nameOf(column)) !== index
  );
  if (twice !== undefined) throw unreadable(name, `two columns are called ${twice}`);
  return columns;
}

/** What is wrong with the number of cells. Spreadsheets write empty ones behind the last column. */
function misfit(cells: readonly string[], columns: number): string | undefined {
  return cells.length < columns || cells.slice(columns).some((cell) => cell.trim() !== "")
    ? `has ${counted(cells.length, "cell")}, but the heading has ${columns}`
    : undefined;
}

/** The one of comma, semicolon (spreadsheets in much of Europe) and tab that the heading has most of. */
function separatorOf(text: string): string {
  const heading = text.trimStart().split(/[\r\n]/, 1)[0].replaceAll(/"[^"]*"/g, "");
  const count = (separator: string) => heading.split(separator).length;
  return [",", ";", "\t"].reduce((best, next) => count(next) > count(best) ? next : best);
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

/** Members under which APIs answer a list. */
const LISTS = ["links", "data", "results", "items"];

/** The list that JSON holds; undefined where it is not one document. */
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
    // YOURLS names each: {"links": {"link_1": {…}}}.
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

/** The cell as it was before `armed()` in `write.ts`. */
function disarmed(cell: string): string {
  return FORMULA.test(cell) ? cell.slice(1) : cell;
}

/** What a spreadsheet might run, behind one apostrophe or more. */
const FORMULA = /^'+[=+\-@\t\r\n＝＋－＠]/;

function unreadable(name: string, why: string): UnreadableFile {
  return new UnreadableFile(`${name} cannot be read: ${why}.`);
}
