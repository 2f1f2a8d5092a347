/** What the launch gates ask the database: the plans of the statements that run for each message, click or request. */
import { assertEquals } from "@std/assert";
import { databaseTest } from "../support/database.ts";

databaseTest("hot_queries: each has an index, and none sorts what an index has in order", async (sql) => {
  const queries = await sql<{ name: string; statement: string }[]>`select * from private.hot_queries()`;
  const sorted: string[] = [];
  for (const { name, statement } of queries) {
    const [{ tables }] = await sql`select private.reads_whole_tables(${statement}) as tables`;
    assertEquals(tables, [], name);
    await sql.begin(async (sql) => {
      await sql`set local enable_seqscan = off`;
      await sql`set local enable_bitmapscan = off`;
      const plan = (await sql.unsafe(`explain ${statement}`)).map((row) => row["QUERY PLAN"]).join("\n");
      if (plan.includes("Sort")) sorted.push(`${name}:\n${plan}`);
    });
  }
  assertEquals(sorted, []);
});
