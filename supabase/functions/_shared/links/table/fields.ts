/**
 * Reads a link's fields from a row. Pure.
 *
 * @module
 */
import { columnOf, LINK_FIELDS, type LinkField } from "../../contract/link_fields.ts";
import type { Cells } from "./cells.ts";

/** A row's value of a field; undefined if it has none. */
export function valueOf(row: Cells, field: LinkField & { name: string }): unknown {
  const columns = [columnOf(field), ...field.also ?? []];
  switch (field.kind) {
    case "group":
    case "chat":
      return row.object(field.name) ?? partsOf(row, field);
    case "time":
      return row.time(...columns);
    case "integer":
      return row.number(...columns);
    case "switch":
      return row.flag(...columns);
    case "tags":
      return tagsOf(row);
    case "rules":
      return row.json(...columns);
    default:
      return row.text(...columns);
  }
}

/** The members of a field that each have a column. */
function partsOf(row: Cells, field: LinkField & { name: string; kind: "group" | "chat" }) {
  const members = compact(Object.fromEntries(
    Object.entries(field.parts).map((part) => {
      return [part[0], row.text(columnOf(field, part), ...part[1].also ?? [])];
    }),
  ));
  return Object.keys(members).length === 0 ? undefined : members;
}

/**
 * The password. If a file only says that there is one, the row is a fault: a link without it would be open to
 * everybody.
 */
export function passwordOf(row: Cells): string | undefined {
  const value = row.text("password");
  const isSaid = (text: string | undefined) => text !== undefined && /^(true|yes|y|1)$/i.test(text);
  if (isSaid(value) || isSaid(row.text("has_password", "protected"))) {
    row.faults.push("it has a password that the file does not hold: write one into the column password");
    return undefined;
  }
  return value === undefined || /^(false|no|n|0)$/i.test(value) ? undefined : value;
}

export function tagsOf(row: Cells): string[] | undefined {
  const tags = [...row.list("tags", "tag"), ...(row.flag("archived") ? ["archived"] : [])];
  return tags.length === 0 ? undefined : tags;
}

export function utmOf(row: Cells): unknown {
  return valueOf(row, { name: "utm", ...LINK_FIELDS.utm });
}

/** Title and note. A title above the maximum length, such as a page's title, is put before the note. */
export function wordsOf(row: Cells, titles: string[], notes: string[]): { title?: string; note?: string } {
  const title = row.text(...titles), note = row.text(...notes);
  const isTitle = title !== undefined && title.length <= LINK_FIELDS.title.max && /^\P{Cc}*$/u.test(title);
  const all = [isTitle ? undefined : title, note].filter((text) => text !== undefined && text !== "");
  return { ...(isTitle ? { title } : {}), ...(all.length > 0 ? { note: all.join("\n") } : {}) };
}

/** Removes undefined members. */
export function compact(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

export function filled<T>(list: T[]): T[] | undefined {
  return list.length === 0 ? undefined : list;
}

/** A link's address at another service. */
export interface Short {
  host: string;
  /** Without the leading slash; case is preserved. */
  path: string;
}

/** Parses `https://bit.ly/abc` or `bit.ly/abc`. */
export function shortOf(text: string | undefined): Short | undefined {
  if (text === undefined) return undefined;
  const match = /^(?:https?:\/\/)?([^/?#\s]+)\/([^?#]+)/i.exec(text);
  if (match === null || !/\.|^localhost\b/i.test(match[1])) return undefined;
  return { host: match[1].toLowerCase(), path: withoutEnd(match[2]) };
}

/** Removes trailing slashes; in a loop, since a regular expression would backtrack over them repeatedly. */
export function withoutEnd(path: string): string {
  let end = path.length;
  while (path[end - 1] === "/") end--;
  return path.slice(0, end);
}
