/** The setting `deeplinks.apps`: what is wrong is refused by every way of writing it, and says why. */
import { assertEquals, assertMatch, assertRejects } from "../support/assert.ts";
import { APP_LISTS } from "../support/app_lists.ts";
import { databaseTest } from "../support/database.ts";

databaseTest("deeplinks.apps: SQL refuses a list for the same faults as the functions", async (sql) => {
  for (const [value, fault] of APP_LISTS) {
    const [{ said }] = await sql`select private.apps_fault(${value}) as said`;
    assertEquals(said?.slice(0, fault?.length) ?? undefined, fault, value);
  }
});

databaseTest(
  "deeplinks.apps: SQL and set_setting() refuse an invalid list, new or changed",
  async (sql) => {
    const right = JSON.stringify({ ios: [{ app_id: "ABCDE12345.com.example.app" }] });
    const wrong = JSON.stringify({ ios: [{ app_id: "com.example.app" }] });
    const refused = async (write: () => Promise<unknown>) => {
      const error = await assertRejects(write) as Error & { code?: string };
      assertEquals(error.code, "23514");
      assertMatch(error.message, /deeplinks\.apps is wrong: ios\[0\]\.app_id must be the team id/);
    };
    await refused(() => sql`insert into settings (key, value) values ('deeplinks.apps', ${wrong})`.execute());
    await refused(() => sql`select set_setting('deeplinks.apps', ${wrong}, '{}', 0)`.execute());
    await sql`select set_setting('deeplinks.apps', ${right}, '{}', 0)`;
    await refused(() => sql`select set_setting('deeplinks.apps', ${wrong}, '{}', 1)`.execute());
    await refused(() => sql`update settings set value = ${wrong} where key = 'deeplinks.apps'`.execute());
    const [{ value }] = await sql`select value from settings where key = 'deeplinks.apps'`;
    assertEquals(value, right);
  },
);
