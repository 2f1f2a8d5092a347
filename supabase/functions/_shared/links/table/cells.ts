/**
 * One row of a file of links, read by the names of its columns; unread columns can be listed. Pure.
 *
 * @module
 */
import { type DateOrder, readTime } from "./dates.ts";

/** The values of a row, by name. Tracks which were read. */
export class Cells {
  /** Values that are ambiguous; a row with any is not created. */
  readonly faults: string[] = [];
  /** Whether a time had no zone. */
  assumedUtc = false;
  readonly #values = new Map<string, { column: string; value: unknown }>();
  readonly #read = new Set<string>();
  /** JSON keys that map to the same name. */
  readonly #doubled: string[] = [];
  readonly #dates: DateOrder | undefined;

  constructor(values: Record<string, unknown>, dates?: DateOrder) {
    this.#dates = dates;
    for (const [column, value] of Object.entries(values)) {
      if (!isFilled(value)) continue;
      const name = nameOf(column);
      if (this.#values.has(name)) this.#doubled.push(column);
      else this.#values.set(name, { column, value });
    }
  }

  /**
   * The first of these columns with a value. Only this one counts as read: the values of the others are not carried
   * over.
   */
  #first(names: readonly string[]): { column: string; value: unknown } | undefined {
    for (const name of names.map(nameOf)) {
      const cell = this.#values.get(name);
      if (cell === undefined) continue;
      this.#read.add(name);
      return cell;
    }
  }

  has(...names: string[]): boolean {
    return names.some((name) => this.#values.has(nameOf(name)));
  }

  /** Whether a column's value is the number zero. */
  isZero(name: string): boolean {
    const cell = this.#values.get(nameOf(name));
    return cell !== undefined && /^[+-]?0+(?:[.,]0+)?\s*%?$/.test(String(cell.value).trim());
  }

  text(...names: string[]): string | undefined {
    const value = this.#first(names)?.value;
    if (value === undefined) return undefined;
    return typeof value === "object" ? JSON.stringify(value) : String(value).trim();
  }

  /** A number; other text is returned unchanged, so that the check reports it. */
  number(...names: string[]): number | string | undefined {
    const text = this.text(...names);
    return text === undefined || !/^-?\d+(\.\d+)?$/.test(text) ? text : Number(text);
  }

  /** Whether the value means yes; undefined if it is empty. */
  flag(...names: string[]): boolean | undefined {
    const cell = this.#first(names);
    if (cell === undefined) return undefined;
    const text = String(cell.value).trim();
    if (/^(true|yes|y|1|on)$/i.test(text)) return true;
    if (!/^(false|no|n|0|off)$/i.test(text)) {
      this.faults.push(`${cell.column} ${quoted(text)} is not true or false`);
    }
    return false;
  }

  /** A time as ISO 8601. */
  time(...names: string[]): string | undefined {
    const cell = this.#first(names);
    if (cell === undefined) return undefined;
    const text = String(cell.value).trim();
    const time = readTime(text, this.#dates);
    if (time === undefined) {
      this.faults.push(`${cell.column} ${quoted(text)} ${dateFault(text, this.#dates)}`);
      return undefined;
    }
    this.assumedUtc ||= time.assumedUtc;
    return time.iso;
  }

  /** A time in Unix milliseconds, as some APIs return it, or as text. */
  stamp(...names: string[]): string | undefined {
    const cell = this.#first(names);
    const text = String(cell?.value ?? "").trim();
    return /^\d{13}$/.test(text) ? new Date(Number(text)).toISOString() : this.time(...names);
  }

  /** A list: JSON, or words separated by commas, semicolons or bars. Objects are represented by their names. */
  list(...names: string[]): string[] {
    const value = parsed(this.#first(names)?.value);
    const items = Array.isArray(value)
      ? value
      : value === undefined || typeof value === "object"
      ? []
      : String(value).split(/[,;|]/);
    return items.map((item) =>
      String(typeof item === "object" && item !== null ? item.name ?? item.tag ?? "" : item).trim()
    )
      .filter((item) => item !== "");
  }

  object(name: string): Record<string, unknown> | undefined {
    const value = parsed(this.#values.get(nameOf(name))?.value);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    this.#read.add(nameOf(name));
    return value as Record<string, unknown>;
  }

  objects(name: string): Record<string, unknown>[] {
    const value = parsed(this.#first([name])?.value);
    return Array.isArray(value) ? value.filter((item) => typeof item === "object" && item !== null) : [];
  }

  /** The parsed JSON; invalid JSON is returned as text, so that the check reports it. */
  json(...names: string[]): unknown {
    return parsed(this.#first(names)?.value);
  }

  /** Columns with a value that were not read. */
  unread(ignored: readonly string[]): string[] {
    return [...this.#values].filter(([name]) => !this.#read.has(name) && !ignored.includes(name))
      .map(([, { column }]) => column).concat(this.#doubled);
  }
}

function dateFault(text: string, order: DateOrder | undefined): string {
  const isDate = /^\d{1,2}([./-])\d{1,2}\1\d{4}\b/.test(text);
  return isDate && order === undefined
    ? "could mean two days: say whether dates are dmy (day first) or mdy (month first)"
    : `is not a time like 2027-02-01 or 2027-02-01T09:00:00Z${
      order === undefined ? "" : `, nor like ${order === "dmy" ? "31.12.2027" : "12/31/2027"}`
    }`;
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}

function parsed(value: unknown): unknown {
  if (typeof value !== "string" || !/^\s*[[{]/.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

function isFilled(value: unknown): boolean {
  if (value === null || value === undefined || value === false) return false;
  if (typeof value === "string") return value.trim() !== "";
  return typeof value !== "object" || Object.keys(value).length > 0;
}

/** A column's name, normalised for comparison. */
export function nameOf(column: string): string {
  const short = /\(([a-z_]+)\)\s*\??$/i.exec(column)?.[1] ?? column;
  return short.toLowerCase().replace(/[^\p{L}\p{M}\p{N}]/gu, "");
}
