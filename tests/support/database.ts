import type { Sql } from "postgres";
import { testDatabase } from "./postgres.ts";

/** Registers a test that gets a migrated database of its own, as superuser. */
export function databaseTest(name: string, test: (sql: Sql) => Promise<void>): void {
  Deno.test(name, async () => {
    const db = await testDatabase();
    try {
      await test(db.sql);
    } finally {
      await db.drop();
    }
  });
}
