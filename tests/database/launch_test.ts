/** What the launch gates ask the database: the plans of the statements that run for each message, click or request. */
import { assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { databaseTest } from "../support/database.ts";

const wholeTables = async (sql: Sql, statement: string): Promise<string[]> =>
  (await sql`select private.reads_whole_tables(${statement}) as tables`)[0].tables;

databaseTest("hot_queries: each has an index that also serves its order", async (sql) => {
  const queries = await sql<{ name: string; statement: string }[]>`select * from private.hot_queries()`;
  for (const { name, statement } of queries) assertEquals(await wholeTables(sql, statement), [], name);
});

databaseTest(
  "reads_whole_tables: an index that serves only the condition does not count for a limited, ordered query",
  async (sql) => {
    const [{ statement }] = await sql<{ statement: string }[]>`
    select statement from private.hot_queries() where name like 'claim_unrouted: who%'`;
    await sql`drop index public.conversations_unrouted_idx`;
    assertEquals(await wholeTables(sql, statement), ["conversations"]);
    assertEquals(await wholeTables(sql, "select from public.messages order by text limit 1"), ["messages"]);
  },
);
