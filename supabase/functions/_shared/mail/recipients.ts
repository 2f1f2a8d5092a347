/**
 * Recipients of a campaign from a file or a request, read as it comes, so that a million need no memory.
 *
 * @module
 */

/** How they are written. */
export type RecipientFormat = "csv" | "ndjson";

/** A recipient as the database takes it. */
export interface Recipient {
  to: string;
  /** Values of the placeholders, by name. */
  fields: Record<string, string>;
}

/** A line that cannot be read. */
export class UnreadableRecipients extends Error {
  /** @param line Its number, from 1; 0 where it is about the whole. @param read How many recipients stand before it. */
  constructor(readonly line: number, readonly read: number, message: string) {
    super(message);
    this.name = "UnreadableRecipients";
  }
}

/** Longest record, in characters. A quote that is never closed would otherwise take the rest of the file. */
const RECORD_CHARS = 64 * 1024;
/** Most characters of a group: what one call takes, whatever a recipient's fields hold. */
const GROUP_CHARS = 2 << 20;

/**
 * The recipients, in groups of at most `size`.
 *
 * CSV (RFC 4180) begins with the names of its columns, separated by commas or semicolons; `to` or `email` is the
 * address. NDJSON is an object a line. Everything else of a row is a value of a placeholder.
 *
 * @throws {UnreadableRecipients} at the first record that cannot be read. The groups before it were given.
 */
export async function* recipientsIn(
  chunks: AsyncIterable<string>,
  format: RecipientFormat,
  size: number,
): AsyncGenerator<Recipient[]> {
  let header: { names: string[]; separator: string } | undefined;
  let group: Recipient[] = [];
  let chars = 0;
  let read = 0;
  for await (const { text, line } of recordsIn(chunks, format)) {
    if (text.trim() === "") continue;
    if (format === "csv" && header === undefined) {
      header = headerOf(text);
      if (header.names.includes("to") || header.names.includes("email")) continue;
      throw new UnreadableRecipients(
        line,
        0,
        "There is no column to or email. The first line names the columns.",
      );
    }
    const row = header === undefined ? objectIn(text) : rowOf(text, header);
    const recipient = row && recipientOf(row);
    if (recipient === undefined) {
      throw new UnreadableRecipients(line, read, `Line ${line} cannot be read.`);
    }
    group.push(recipient);
    chars += text.length;
    read++;
    if (group.length === size || chars > GROUP_CHARS) {
      yield group;
      group = [];
      chars = 0;
    }
  }
  if (format === "csv" && header === undefined) throw new UnreadableRecipients(0, 0, "There is no line.");
  if (group.length > 0) yield group;
}

/** Records with the number of their first line. In CSV a line break between quotes belongs to the record. */
async function* recordsIn(
  chunks: AsyncIterable<string>,
  format: RecipientFormat,
): AsyncGenerator<{ text: string; line: number }> {
  let open = "", isQuoted = false, line = 0, begun = 1, isFirst = true, rest = "";
  function* take(piece: string) {
    line++;
    if (open === "") begun = line;
    open += piece;
    if (open.length > RECORD_CHARS) {
      throw new UnreadableRecipients(begun, 0, `Line ${begun} is too long, or a quote in it is not closed.`);
    }
    if (format === "csv" && hasOddQuotes(piece)) isQuoted = !isQuoted;
    if (isQuoted) {
      open += "\n";
      return;
    }
    const text = open.endsWith("\r") ? open.slice(0, -1) : open;
    open = "";
    yield { text, line: begun };
  }
  for await (const chunk of chunks) {
    let at = 0;
    const text: string = rest + (isFirst && chunk.startsWith("\ufeff") ? chunk.slice(1) : chunk);
    isFirst = false;
    for (;;) {
      const end = text.indexOf("\n", at);
      if (end < 0) break;
      yield* take(text.slice(at, end));
      at = end + 1;
    }
    rest = text.slice(at);
    if (rest.length > RECORD_CHARS) {
      throw new UnreadableRecipients(line + 1, 0, `Line ${line + 1} is too long.`);
    }
  }
  if (rest !== "") yield* take(rest);
  if (open !== "") throw new UnreadableRecipients(begun, 0, `A quote in line ${begun} is not closed.`);
}

/** Whether a quote is opened or closed by the piece: a quote within quotes is doubled. */
function hasOddQuotes(text: string): boolean {
  let odd = false;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) odd = !odd;
  return odd;
}

function headerOf(text: string): { names: string[]; separator: string } {
  const separator = [",", ";", "\t"].find((each) => text.includes(each)) ?? ",";
  return { separator, names: (cellsOf(text, separator) ?? []).map((name) => name.toLowerCase()) };
}

/**
 * The cells of a record of CSV.
 *
 * @returns undefined if a quote is not closed, or something stands behind it.
 */
export function cellsOf(text: string, separator = ","): string[] | undefined {
  const cells: string[] = [];
  let at = 0;
  while (at <= text.length) {
    if (text[at] !== '"') {
      const next = text.indexOf(separator, at);
      const end = next < 0 ? text.length : next;
      cells.push(text.slice(at, end).trim());
      at = end + 1;
      continue;
    }
    let cell = "";
    let from = at + 1;
    for (;;) {
      const quote = text.indexOf('"', from);
      if (quote < 0) return undefined;
      cell += text.slice(from, quote);
      at = quote + 1;
      if (text[at] !== '"') break;
      cell += '"';
      from = at + 1;
    }
    if (at < text.length && text[at] !== separator) return undefined;
    cells.push(cell);
    at += 1;
  }
  return cells;
}

/** A recipient from an object: `to` or `email`, and all other plain members as values of placeholders. */
export function recipientOf(row: Readonly<Record<string, unknown>>): Recipient | undefined {
  const { to, email, fields: given, ...others } = row;
  const address = to ?? email;
  if (typeof address !== "string") return undefined;
  const fields: Record<string, string> = {};
  const values = typeof given === "object" && given !== null ? { ...others, ...given } : row;
  for (const [name, value] of Object.entries(values)) {
    if (name === "to" || name === "email") continue;
    if (typeof value === "string") fields[name] = value;
    else if (typeof value === "number" || typeof value === "boolean") fields[name] = String(value);
  }
  return { to: address, fields };
}

function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

function rowOf(
  text: string,
  { names, separator }: { names: readonly string[]; separator: string },
): Record<string, string> | undefined {
  const cells = cellsOf(text, separator);
  return cells && Object.fromEntries(names.map((name, i) => [name, cells[i] ?? ""]));
}
