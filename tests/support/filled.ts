import type { Sql } from "postgres";
import { databaseTest } from "./database.ts";
import { FILL } from "./fill.ts";

/** Registers a test that gets a migrated database of its own with at least one row in each table, as superuser. */
export function filledTest(name: string, test: (sql: Sql) => Promise<void>): void {
  databaseTest(name, async (sql) => {
    for (const statements of Object.values(FILL)) if (statements) await sql.unsafe(statements);
    await test(sql);
  });
}
