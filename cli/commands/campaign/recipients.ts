/** Reads recipients of a campaign from a file of lines, so that a million need no memory. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { CliError } from "../../core/errors.ts";

/** A recipient as the database takes it. */
export interface Recipient {
  to: string;
  fields: Record<string, string>;
}

/**
 * The cells of a line of CSV (RFC 4180, without line breaks in cells).
 *
 * @returns undefined if a quote is not closed.
 */
export function cellsOf(line: string): string[] | undefined {
  const cells: string[] = [];
  let at = 0;
  while (at <= line.length) {
    if (line[at] !== '"') {
      const comma = line.indexOf(",", at);
      const end = comma < 0 ? line.length : comma;
      cells.push(line.slice(at, end).trim());
      at = end + 1;
      continue;
    }
    let cell = "";
    let from = at + 1;
    for (;;) {
      const quote = line.indexOf('"', from);
      if (quote < 0) return undefined;
      cell += line.slice(from, quote);
      at = quote + 1;
      if (line[at] !== '"') break;
      cell += '"';
      from = at + 1;
    }
    if (at < line.length && line[at] !== ",") return undefined;
    cells.push(cell);
    at += 1;
  }
  return cells;
}

/** A recipient from an object: `to` or `email`, and all other members as values of placeholders. */
export function recipientOf(row: Readonly<Record<string, unknown>>): Recipient | undefined {
  const { to, email, ...others } = row;
  const address = to ?? email;
  if (typeof address !== "string") return undefined;
  const fields: Record<string, string> = {};
  for (const [name, value] of Object.entries(others)) {
    if (typeof value === "string") fields[name] = value;
    else if (typeof value === "number" || typeof value === "boolean") fields[name] = String(value);
  }
  return { to: address, fields };
}

/**
 * Recipients of a file, in groups: NDJSON if its name ends in `.ndjson` or `.jsonl`, else CSV with a line of names.
 *
 * @throws {CliError} with the number of a line that cannot be read.
 */
export async function* readRecipients(path: string, size: number): AsyncGenerator<Recipient[]> {
  const json = /\.(?:ndjson|jsonl)$/.test(path);
  let names: string[] | undefined;
  let group: Recipient[] = [];
  let number = 0;
  for await (const text of createInterface({ input: createReadStream(path, "utf8"), crlfDelay: Infinity })) {
    number++;
    const line = number === 1 && text.startsWith("\ufeff") ? text.slice(1) : text;
    if (line.trim() === "") continue;
    if (!json && names === undefined) {
      names = cellsOf(line)?.map((name) => name.toLowerCase());
      if (names?.includes("to") || names?.includes("email")) continue;
      throw new CliError("usage", `${path} has no column to or email.`, "The first line names the columns.");
    }
    const recipient = recipientOf(json ? objectIn(line) : rowOf(line, names ?? []));
    if (recipient === undefined) {
      throw new CliError(
        "usage",
        `Line ${number} of ${path} cannot be read.`,
        "Lines are added in order: mend it and repeat, nobody is added twice.",
      );
    }
    group.push(recipient);
    if (group.length === size) {
      yield group;
      group = [];
    }
  }
  if (group.length > 0) yield group;
}

function objectIn(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}

function rowOf(line: string, names: readonly string[]): Record<string, string> {
  const cells = cellsOf(line);
  return cells === undefined ? {} : Object.fromEntries(names.map((name, i) => [name, cells[i] ?? ""]));
}
