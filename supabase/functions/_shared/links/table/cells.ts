/**
 * One row of a file of links, asked by the names of its columns; what nobody asks for can be told. Pure.
 *
 * @module
 */

/** The values of a row, by name; it is noted which were asked for. */
export class Cells {
  readonly #values = new Map<string, { column: string; value: unknown }>();
  readonly #read = new Set<string>();

  constructor(values: Record<string, unknown>) {
    for (const [column, value] of Object.entries(values)) {
      if (isFilled(value)) this.#values.set(nameOf(column), { column, value });
    }
  }

  /** The first of these columns that has a value. All of them count as read. */
  #first(names: string[]): unknown {
    let found: unknown;
    for (const name of names.map(nameOf)) {
      this.#read.add(name);
      found ??= this.#values.get(name)?.value;
    }
    return found;
  }

  text(...names: string[]): string | undefined {
    const value = this.#first(names);
    if (value === undefined) return undefined;
    return typeof value === "object" ? JSON.stringify(value) : String(value).trim();
  }

  /** A number; what is none stays text, for the check to say so. */
  number(...names: string[]): number | string | undefined {
    const text = this.text(...names);
    return text === undefined || !/^-?\d+(\.\d+)?$/.test(text) ? text : Number(text);
  }

  flag(...names: string[]): boolean {
    return /^(true|yes|y|1)$/i.test(this.text(...names) ?? "");
  }

  /** A list: JSON, or words apart by commas, semicolons or bars. Of objects their names. */
  list(...names: string[]): string[] {
    const value = parsed(this.#first(names));
    const items = Array.isArray(value) ? value : typeof value === "string" ? value.split(/[,;|]/) : [];
    return items.map((item) =>
      String(typeof item === "object" && item !== null ? item.name ?? "" : item).trim()
    )
      .filter((item) => item !== "");
  }

  object(name: string): Record<string, unknown> | undefined {
    const value = parsed(this.#first([name]));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? value as Record<string, unknown>
      : undefined;
  }

  objects(name: string): Record<string, unknown>[] {
    const value = parsed(this.#first([name]));
    return Array.isArray(value) ? value.filter((item) => typeof item === "object" && item !== null) : [];
  }

  /** As it stands; what is no JSON stays text, for the check to say so. */
  json(...names: string[]): unknown {
    return parsed(this.#first(names));
  }

  /** Columns with a value that nobody asked for. */
  unread(ignored: readonly string[]): string[] {
    return [...this.#values].filter(([name]) => !this.#read.has(name) && !ignored.includes(name))
      .map(([, { column }]) => column);
  }
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

/** A column's name, comparable. */
export function nameOf(column: string): string {
  const short = /\(([a-z_]+)\)\s*\??$/i.exec(column)?.[1] ?? column;
  return short.toLowerCase().replace(/[^a-z0-9]/g, "");
}
