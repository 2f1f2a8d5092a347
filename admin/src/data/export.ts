/** Lists as files: all pages of a list, as CSV. */
import type { Source } from "./pages.ts";

/** Saves a text as a file. */
export function saveFile(name: string, text: string, type = "text/csv"): void {
  const url = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser has taken it by then.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** The name of a file of today: flags-2026-11-30.csv. */
export const fileName = (list: string): string => `${list}-${new Date().toISOString().slice(0, 10)}.csv`;

/**
 * All items of lists, one list after the other.
 * @param told Is called after each page, with the number of items so far. @throws {Refusal} if a page cannot be read
 */
export async function allOf<T>(
  sources: readonly Source<T>[],
  told: (items: number) => void = () => {},
): Promise<T[]> {
  const items: T[] = [];
  for (const { read, size } of sources) {
    let last: T | undefined;
    for (;;) {
      const page = await read(last);
      items.push(...page);
      told(items.length);
      last = page.at(-1);
      if (page.length < size || last === undefined) break;
    }
  }
  return items;
}

/** Items as CSV, with a column for each of their members. What a spreadsheet would take for a formula is disarmed. */
export async function csvText(items: readonly object[]): Promise<string> {
  const { csv } = await import("../../../supabase/functions/_shared/links/table/write.ts");
  const columns = [...new Set(items.flatMap(Object.keys))];
  // Without a byte order mark, spreadsheets decode a CSV in their own charset.
  return `\ufeff${csv(columns, items as readonly Record<string, unknown>[])}`;
}
