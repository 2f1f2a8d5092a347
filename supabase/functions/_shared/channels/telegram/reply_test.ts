import { assert, assertEquals } from "../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../../tests/support/property.ts";
import { answerPressOf, noteOf, repliableIn, type ReplyStatus, replyTo } from "./reply.ts";
import { readUpdate } from "./update.ts";

const GROUP = { id: -1002000000001, type: "supergroup", title: "Operations", is_forum: true };
const ANA = { id: 5100000001, is_bot: false, first_name: "Ana" };
const BOT = { id: 7000000001, is_bot: true, first_name: "Gatelink" };
const CARD = { message_id: 4000, from: BOT, chat: GROUP };
const MESSAGE = { message_id: 4100, from: ANA, chat: GROUP, reply_to_message: CARD, text: "On it" };
const read = (message: Record<string, unknown>, kind = "message") =>
  readUpdate({ update_id: 1, [kind]: message });

Deno.test("readUpdate(): an answer to a message of a bot names it, the topic, and what it holds", () => {
  const found = read({ ...MESSAGE, message_thread_id: 77, is_topic_message: true });
  assertEquals(found?.update, {
    update_id: 1,
    kind: "reply",
    chat: { id: GROUP.id, kind: "supergroup", title: "Operations", is_forum: true },
    from: ANA.id,
    message_id: 4100,
    to: 4000,
    topic: 77,
    text: "On it",
  });
  assertEquals(found?.answer?.(null, false), undefined);
  assertEquals(found?.answer?.("No.", true), {
    method: "sendMessage",
    chat_id: GROUP.id,
    text: "No.",
    reply_parameters: { message_id: 4100, allow_sending_without_reply: true },
  });
});

Deno.test("readUpdate(): what is no answer: a topic's creation, another bot's word, a channel's post, an answer to a person", () => {
  const kinds = [
    { ...MESSAGE, reply_to_message: { ...CARD, forum_topic_created: { name: "db" } } },
    { ...MESSAGE, reply_to_message: undefined, external_reply: {} },
    { ...MESSAGE, reply_to_message: { ...CARD, from: ANA } },
    { ...MESSAGE, from: { ...BOT, id: 7000000002 } },
    { ...MESSAGE, is_automatic_forward: true },
    { ...MESSAGE, text: "/oncall", entities: [{ type: "bot_command", offset: 0, length: 7 }] },
  ].map((message) => read(message)?.update.kind);
  assertEquals(kinds, Array(6).fill("chat"));
  // Nobody could say who these were; they are told so.
  for (const from of [{ id: 1087968824, is_bot: true }, { id: 136817688, is_bot: true }]) {
    const { update } = read({ ...MESSAGE, from, sender_chat: GROUP })!;
    assertEquals([update.kind, update.nobody], ["reply", true]);
  }
});

Deno.test("readUpdate(): an edit of an answer says which; other edits mean nothing", () => {
  const { update } = read({ ...MESSAGE, edit_date: 1 }, "edited_message")!;
  assertEquals([update.kind, update.message_id], ["edited", 4100]);
  assertEquals(read({ ...MESSAGE, reply_to_message: undefined }, "edited_message")?.update.kind, "other");
});

Deno.test("readUpdate(): buttons of notes", () => {
  const data = "unsend:abcdefghijklmnop:1";
  const found = readUpdate({
    update_id: 1,
    callback_query: { id: "7", from: ANA, message: { message_id: 4101, chat: GROUP, from: BOT }, data },
  });
  assertEquals([found?.update.kind, found?.update.action, found?.update.card], [
    "reply_press",
    "unsend",
    "abcdefghijklmnop",
  ]);
  assertEquals(answerPressOf("ack:abcdefghijklmnop:1"), undefined);
  assertEquals(answerPressOf("unsend:abcdefghijklmnop:1:2"), undefined);
});

Deno.test("repliableIn(): a file with its caption; the largest size of a photo; names that lead nowhere", () => {
  const photo = [{ file_id: "s", file_size: 10 }, { file_id: "l", file_size: 99 }];
  assertEquals(repliableIn({ photo, caption: "See", media_group_id: "1" }), {
    text: "See",
    media_group: "1",
    file: { file_id: "l", name: "photo.jpg", type: "image/jpeg", size: 99 },
  });
  assertEquals(
    repliableIn({ document: { file_id: "d", file_name: "../a\\b\r\n.log", mime_type: "x y" } }).file,
    {
      file_id: "d",
      name: ".._a_b .log",
      type: "application/octet-stream",
      size: 0,
    },
  );
  assertEquals(repliableIn({ voice: { file_id: "v", mime_type: "audio/ogg" } }).file?.name, "voice.ogg");
  assertEquals(repliableIn({ rich_message: { blocks: [] } }), {});
});

Deno.test("replyTo(), repliableIn(): take any JSON", async () => {
  await holds(fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (message) => {
    replyTo(message as never);
    const { text, file } = repliableIn({ ...message, text: message.text } as never);
    assert(text === undefined || text.length <= 4096);
    assert(file === undefined || !/[\\/\r\n]/.test(file.name));
  }));
});

Deno.test("noteOf(): fits into a message, and its buttons into 64 bytes, whatever addresses hold", async () => {
  const reply: ReplyStatus = {
    ...{ token: "abcdefghijklmnop", version: 1, state: "waiting", channel: "email", to: "", from: "" },
    ...{ asks: null, refused: null, expired: false, files: 0, status: null, error: null, by: null },
  };
  await holds(fc.property(
    fc.record({
      state: fc.constantFrom("asked", "waiting", "leaving", "left", "undone", "refused" as const),
      to: fc.string({ maxLength: 500 }),
      error: fc.option(fc.string({ maxLength: 2000 })),
      by: fc.option(fc.string({ maxLength: 300 })),
      status: fc.constantFrom(null, "queued", "accepted", "sent", "delivered", "failed", "unknown"),
      version: fc.nat(999_999_999),
    }),
    (some) => {
      const { text, buttons } = noteOf({ ...reply, ...some } as ReplyStatus);
      assert(text.length > 0 && text.length <= 4096);
      assertEquals(buttons.length > 0, some.state === "asked" || some.state === "waiting");
      for (const { callback_data } of buttons.flat()) {
        assert(callback_data.length <= 64);
        assertEquals(answerPressOf(callback_data)?.version, some.version);
      }
    },
  ));
});
