import { assert, assertEquals } from "../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../../tests/support/property.ts";
import { readUpdate } from "./update.ts";

const GROUP = { id: -1002000000001, type: "supergroup", title: "Operations" };
const ANA = { id: 5100000001, is_bot: false, first_name: "Ana" };
const PRIVATE = { id: ANA.id, type: "private", first_name: "Ana" };
const CARD = "abcdefghijklmnop";
const LINK = "0123456789abcdef".repeat(4);
const kindOf = (body: Record<string, unknown>) => readUpdate({ update_id: 1, ...body })?.update.kind;

Deno.test("readUpdate(): a press names card, action, version, message, chat and person", () => {
  const read = readUpdate({
    update_id: 9,
    callback_query: {
      id: "77",
      from: ANA,
      message: { message_id: 4000, chat: GROUP },
      data: `ack:${CARD}:2`,
    },
  });
  assertEquals(read?.update, {
    update_id: 9,
    kind: "press",
    from: ANA.id,
    card: CARD,
    action: "ack",
    version: 2,
    message_id: 4000,
    is_ours: false,
    chat: { id: GROUP.id, kind: "supergroup", title: "Operations", is_forum: false },
  });
  assertEquals(read?.answer?.("It is yours.", false), {
    method: "answerCallbackQuery",
    callback_query_id: "77",
    text: "It is yours.",
    show_alert: false,
  });
  assertEquals(read?.answer?.("x".repeat(300), true)?.text, "x".repeat(200));
});

Deno.test("readUpdate(): presses that cannot be somebody's are answered, and nothing else happens", () => {
  const press = (rest: Record<string, unknown>) =>
    readUpdate({
      update_id: 1,
      callback_query: {
        id: "1",
        from: ANA,
        message: { message_id: 4000, chat: GROUP },
        data: `ack:${CARD}:1`,
        ...rest,
      },
    });
  for (
    const rest of [
      { from: { ...ANA, id: 1087968824 } }, // all anonymous admins
      { from: { ...ANA, id: 136817688 } }, // all channels
      { data: "ack" },
      { data: undefined, game_short_name: "snake" },
      { message: undefined, inline_message_id: "x" },
    ]
  ) {
    const read = press(rest);
    assertEquals(read?.update.kind, "other", JSON.stringify(rest));
    assertEquals(read?.answer?.(null, false), { method: "answerCallbackQuery", callback_query_id: "1" });
  }
});

Deno.test("readUpdate(): the bot's own membership, by status", () => {
  const state = (member: Record<string, unknown>) =>
    readUpdate({ update_id: 1, my_chat_member: { chat: GROUP, from: ANA, new_chat_member: member } })?.update
      .chat?.state;
  assertEquals(state({ status: "member" }), "member");
  assertEquals(state({ status: "administrator" }), "member");
  assertEquals(state({ status: "restricted", can_send_messages: true }), "member");
  assertEquals(state({ status: "restricted", can_send_messages: false }), "left");
  assertEquals([state({ status: "left" }), state({ status: "kicked" }), state({ status: "new" })], [
    "left",
    "left",
    "left",
  ]);
});

Deno.test("readUpdate(): both messages of a migration say the same", () => {
  const base = { message_id: 1, from: ANA, chat: { ...GROUP, id: -4000001, type: "group" } };
  const old = readUpdate({ update_id: 1, message: { ...base, migrate_to_chat_id: GROUP.id } })?.update;
  const next = readUpdate({ update_id: 2, message: { ...base, chat: GROUP, migrate_from_chat_id: -4000001 } })
    ?.update;
  assertEquals([old?.kind, old?.chat?.id, old?.to], ["moved", -4000001, GROUP.id]);
  assertEquals([next?.kind, next?.chat?.id, next?.to], ["moved", -4000001, GROUP.id]);
});

Deno.test("readUpdate(): a link is opened in the private chat alone", () => {
  const message = { message_id: 1, from: ANA, chat: PRIVATE, text: `/start ${LINK}` };
  const read = readUpdate({ update_id: 1, message });
  assertEquals([read?.update.kind, read?.update.token, read?.update.name], ["start", LINK, "Ana"]);
  assertEquals(read?.update.chat?.title, null);
  assertEquals(kindOf({ message: { ...message, chat: GROUP } }), "chat");
  assertEquals(kindOf({ message: { ...message, text: "/start" } }), "chat");
  assertEquals(kindOf({ message: { ...message, from: { ...ANA, id: 1 } } }), "chat");
});

Deno.test("readUpdate(): takes any JSON without an error; what is no update is undefined", async () => {
  assertEquals(readUpdate([]), undefined);
  assertEquals(readUpdate({ update_id: "1" }), undefined);
  assertEquals(kindOf({ rich_thing: {} }), "other");
  await holds(
    fc.property(
      fc.jsonValue(),
      fc.constantFrom("message", "callback_query", "my_chat_member"),
      (value, kind) => {
        assert(readUpdate({ update_id: 1, [kind]: value }) !== undefined);
        readUpdate(value);
      },
    ),
  );
});
