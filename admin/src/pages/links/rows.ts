/** Rows of a file as links to be made. Pure. */
import type { NewLink } from "./types.ts";

/** Rows of one call of `POST deeplinks/bulk`. */
export const MOST = 1000;

/** What a column of a CSV is called, and how it stands in a link. */
export const COLUMNS: Record<string, (link: Record<string, unknown>, value: string) => void> = {
  default_url: (link, value) => link.default_url = value,
  code: (link, value) => link.code = value,
  external_id: (link, value) => link.external_id = value,
  whatsapp_number_id: (link, value) => link.whatsapp = { ...link.whatsapp as object, phone_number_id: value },
  whatsapp_text: (link, value) => link.whatsapp = { ...link.whatsapp as object, text: value },
  campaign: (link, value) => link.utm = { ...link.utm as object, campaign: value },
  tags: (link, value) => link.tags = value.split(/[;|]/).map((tag) => tag.trim()).filter((tag) => tag !== ""),
  starts_at: (link, value) => link.starts_at = value,
  expires_at: (link, value) => link.expires_at = value,
  max_uses: (link, value) => link.max_uses = Number(value),
};

/** A file that cannot be read: `message` says where and what to do. */
export class FileError extends Error {}

/**
 * Reads a JSON list of links, `{"links": […]}`, or a CSV with a row of column names.
 * @throws {FileError}
 */
export function readRows(text: string): NewLink[] {
  const trimmed = text.trim();
  if (trimmed === "") return [];
  const rows = /^[[{]/.test(trimmed) ? fromJson(trimmed) : fromCsv(trimmed);
  if (rows.length > MOST) {
    throw new FileError(`There are ${rows.length} rows; at most ${MOST} go in one file.`);
  }
  return rows;
}

function fromJson(text: string): NewLink[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new FileError(`This is no JSON: ${(error as Error).message}.`);
  }
  const list = Array.isArray(value) ? value : (value as { links?: unknown }).links;
  if (!Array.isArray(list)) throw new FileError('The JSON has to be a list of links, or {"links": […]}.');
  return list;
}

function fromCsv(text: string): NewLink[] {
  const [names, ...records] = parseCsv(text);
  const unknown = names.filter((name) => !(name in COLUMNS));
  if (unknown.length > 0) {
    throw new FileError(
      `The first row names ${unknown.join(", ")}. Known are ${Object.keys(COLUMNS).join(", ")}.`,
    );
  }
  return records.map((record) => {
    const link: Record<string, unknown> = {};
    names.forEach((name, index) => record[index]?.trim() && COLUMNS[name](link, record[index].trim()));
    return link as NewLink;
  });
}

/** Records of a CSV (RFC 4180), empty lines left out; a semicolon between fields as well, where the first line has no comma. */
export function parseCsv(text: string): string[][] {
  const between = text.split(/\r?\n/, 1)[0].includes(",") ? "," : ";";
  const records: string[][] = [];
  let record: string[] = [], field = "", quoted = false;
  const endRecord = () => {
    record.push(field);
    if (record.some((one) => one !== "")) records.push(record);
    record = [];
    field = "";
  };
  for (let at = 0; at < text.length; at++) {
    const letter = text[at];
    if (quoted) {
      if (letter !== '"') field += letter;
      else if (text[at + 1] === '"') field += text[at++];
      else quoted = false;
    } else if (letter === '"' && field === "") quoted = true;
    else if (letter === between) {
      record.push(field);
      field = "";
    } else if (letter === "\n") endRecord();
    else if (letter !== "\r") field += letter;
  }
  if (quoted) throw new FileError("A quotation mark is opened and never closed.");
  endRecord();
  return records;
}
