/**
 * `deno run -A tools/docs/flags.ts` writes the table of flags in docs/flags.md from the code, which names the
 * flags and the places that read them, and the database, which describes them.
 * tests/contracts/flags_doc_test.ts compares them.
 */
import type { Sql } from "postgres";
import { flagPlaces, type Place } from "../../lib/flag_places.ts";
import { join, ROOT } from "../../lib/paths.ts";
import { seedFlags } from "../../local/seed/seed.ts";
import { switchName } from "../../supabase/functions/_shared/config/kill_switch.ts";

/** Path of the document. */
export const FLAGS_DOC: string = join(ROOT, "docs", "flags.md");

const BEGIN = "<!-- Made by deno run -A tools/docs/flags.ts from here -->";
const END = "<!-- to here -->";

/** The table, from a seeded database. @throws Error for a flag in the code without a description */
export async function flagTable(sql: Sql): Promise<string> {
  const rows = await sql<{ key: string; description: string | null }[]>`
    select key, metadata ->> 'description' as description from public.settings where key like '%.enabled'`;
  const described = new Map(rows.map(({ key, description }) => [key, description ?? ""]));
  const places = await flagPlaces();
  const keys = [...new Set([...described.keys(), ...places.keys()])].sort();
  const bare = keys.filter((key) => !described.get(key));
  if (bare.length > 0) throw new Error(`local/seed/seed.ts does not describe ${bare.join(", ")}`);
  return [
    "| Flag | What it turns on | Kill switch | Read in |",
    "|---|---|---|---|",
    ...keys.map((key) =>
      `| \`${key}\` | ${described.get(key)} | \`${switchName(key)}\` | ${read(places.get(key) ?? [])} |`
    ),
  ].join("\n");
}

/** Files without line numbers, which change with every commit; each once. */
function read(places: Place[]): string {
  const files = [...new Set(places.map(({ path }) => path))];
  return files.length === 0
    ? "not read here; services evaluate it"
    : files.map((path) => `[${path.split("/").slice(-2).join("/")}](../${path})`).join(", ");
}

/** The document with the new table. @throws Error if it has no place for it */
export function withTable(document: string, table: string): string {
  const begin = document.indexOf(BEGIN), end = document.indexOf(END);
  if (begin === -1 || end < begin) throw new Error(`docs/flags.md has no part between ${BEGIN} and ${END}`);
  return `${document.slice(0, begin + BEGIN.length)}\n\n${table}\n\n${document.slice(end)}`;
}

if (import.meta.main) {
  const { testDatabase } = await import("../../tests/support/postgres.ts");
  const { sql, drop } = await testDatabase();
  try {
    await sql.begin((sql) => seedFlags(sql));
    await Deno.writeTextFile(FLAGS_DOC, withTable(await Deno.readTextFile(FLAGS_DOC), await flagTable(sql)));
  } finally {
    await drop();
  }
}
