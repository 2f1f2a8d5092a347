import { assertEquals } from "../../../tests/support/assert.ts";
import { findingsOf } from "./findings.ts";

const URL = "https://project.supabase.co/functions/v1/telegram-webhook";
const webhook = {
  url: URL,
  pending: 0,
  last_error: null,
  last_error_at: null,
  allowed_updates: ["message", "edited_message", "callback_query", "my_chat_member"],
};
const setup = { bot: { username: "team_bot", reads_all: false }, webhook, url: URL, fault: null };
const chat = {
  id: -1,
  kind: "supergroup" as const,
  title: "Operations",
  is_forum: false,
  by_team: true,
  state: "member" as const,
  moved_to: null,
  destinations: [{ name: "ops", topic_id: null, state: "active" as const, paused_because: null }],
};
const levels = (...args: Parameters<typeof findingsOf>) =>
  findingsOf(...args).map(({ level, about, what }) => `${level} ${about}: ${what}`);

Deno.test("findingsOf(): all is well", () => {
  assertEquals(levels(setup, [chat]), ["ok bot: @team_bot", `ok webhook: ${URL}`, "ok Operations: ops"]);
});

Deno.test("findingsOf(): what is missing or wrong, with what to do", () => {
  assertEquals(levels({ ...setup, bot: null, fault: "Unauthorized" }, []), ["problem bot: Unauthorized"]);
  assertEquals(
    levels({ ...setup, webhook: { ...webhook, url: "" } }, [chat])[1],
    "problem webhook: is not set",
  );
  assertEquals(
    levels({ ...setup, webhook: { ...webhook, allowed_updates: ["message"] } }, [chat])[1],
    "problem webhook: does not report edited_message, callback_query, my_chat_member",
  );
  assertEquals(
    levels({ ...setup, webhook: { ...webhook, pending: 21, last_error: "503" } }, [chat])[2],
    "problem webhook: 21 updates wait: 503",
  );
  assertEquals(
    levels({ ...setup, bot: { username: "team_bot", reads_all: true } }, [{ ...chat, state: "left" }]).filter(
      (line) => !line.startsWith("ok"),
    ),
    [
      "warning bot: it reads everything in groups",
      "problem Operations: the bot was removed from it; its messages wait",
    ],
  );
});
