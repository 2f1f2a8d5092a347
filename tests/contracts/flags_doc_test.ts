/** docs/flags.md is what the code and the database say. */
import { assertEquals, assertThrows } from "../support/assert.ts";
import { seedFlags } from "../../local/seed/seed.ts";
import { FLAGS_DOC, flagTable, withTable } from "../../tools/docs/flags.ts";
import { databaseTest } from "../support/database.ts";

databaseTest(
  "docs/flags.md lists every flag of the code (`deno run -A tools/docs/flags.ts` writes it)",
  async (sql) => {
    await sql.begin((sql) => seedFlags(sql));
    const document = await Deno.readTextFile(FLAGS_DOC);
    assertEquals(document, withTable(document, await flagTable(sql)));
  },
);

databaseTest("flagTable(): refuses a flag that code reads but nobody describes", async (sql) => {
  await sql.begin((sql) =>
    seedFlags(sql, [
      "wa_router.enabled",
      "wa_send.enabled",
      "email_send.enabled",
      "sms_send.enabled",
      "email_reply_tokens.enabled",
      "email_tracking.enabled",
      "green.enabled",
      "dynamic_routing.enabled",
      "messaging_v1.enabled",
      "proactive_thread_creation.enabled",
      "sitter_messages_v1.enabled",
    ])
  );
  let said = "";
  await flagTable(sql).catch((error) => said = error.message);
  assertEquals(said, "local/seed/seed.ts does not describe deeplinks.enabled");
});

Deno.test("withTable(): refuses a document without a place for the table", () => {
  assertThrows(() => withTable("# Flags\n", "| |"), Error, "has no part between");
});
