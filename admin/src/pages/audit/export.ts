/** The audit as a CSV file that a spreadsheet opens. */
import type { AuditEntry } from "../../../../supabase/functions/_shared/contract/answers/audit.ts";
import { csvText, fileName, saveFile } from "../../data/export.ts";
import { rpc } from "../../data/query.ts";

export interface Filter {
  kinds?: string[];
  who?: string;
  /** A part of a name. */
  name?: string;
  /** ISO time. */
  since?: string;
}

/** Entries read at once. */
const SIZE = 1000;

/**
 * Reads all that matches and saves it.
 *
 * @param progress Called with the number of entries read.
 * @throws {Refusal}
 */
export async function toCsv(
  filter: Filter,
  nameOf: (who: string) => string,
  inWords: (entry: AuditEntry) => string,
  progress: (n: number) => void,
): Promise<void> {
  const entries: AuditEntry[] = [];
  for (;;) {
    const last = entries.at(-1);
    const page = await rpc("list_audit", {
      p_filter: { ...filter, ...(last && { before: last.at, before_id: last.id }) },
      p_limit: SIZE,
    });
    entries.push(...page);
    progress(entries.length);
    if (page.length < SIZE) break;
  }
  const text = await csvText(
    entries.map((entry) => ({
      time: entry.at,
      who: nameOf(entry.who),
      who_id: entry.who,
      kind: entry.kind,
      name: entry.name,
      change: inWords(entry),
      reason: entry.why ?? "",
      before: entry.before === null ? "" : JSON.stringify(entry.before),
      after: entry.after === null ? "" : JSON.stringify(entry.after),
    })),
  );
  saveFile(fileName("audit"), text);
}
