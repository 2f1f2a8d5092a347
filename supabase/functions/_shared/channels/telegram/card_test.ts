import { assert, assertEquals } from "../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../../tests/support/property.ts";
import { ACTIONS, buttonsOf, type CardMessage, cardOf, MESSAGE_UNITS, pressOf, statusLine } from "./card.ts";
import { beginning, shown } from "./text.ts";

const TOKEN = "abcdefghijklmnop";
const open = { token: TOKEN, version: 1, status: { state: "open" as const } };
const contact = { name: "Alex", identities: { phone: "4915100004711" } };
const mail = (native: Record<string, unknown>): CardMessage => ({
  channel: "email",
  type: "email",
  text: null,
  native,
  contact,
});

Deno.test("cardOf(): a mail shows subject, sender, address, files and its text, the long part folded", () => {
  const { message, rest } = cardOf(
    mail({
      subject: "Disk is full",
      from: { name: "Monitor", address: "monitor@example.com" },
      recipient: "shop.db.alert@example.org",
      text_full: `First line\n${"Line\n".repeat(20)}`,
      attachments: [{ name: "graph.png" }, { name: null }],
      verified: false,
    }),
    open,
  );
  const [title, who, warning, files] = message.text.split("\n");
  assertEquals([title, who, warning, files], [
    "Disk is full",
    "Monitor <monitor@example.com> → shop.db.alert@example.org",
    "⚠️ The sender is not verified.",
    "📎 graph.png, file",
  ]);
  assertEquals(message.entities.map(({ type }) => type), ["bold", "expandable_blockquote"]);
  assertEquals(rest, undefined);
  const fold = message.entities[1];
  assert(message.text.slice(fold.offset, fold.offset + fold.length).startsWith("Line\nLine"));
});

Deno.test("cardOf(): a text of another channel names the person, of a phone the last four digits alone", () => {
  const text: CardMessage = { channel: "whatsapp", type: "text", text: "Hello", native: {}, contact };
  assertEquals(cardOf(text, open).message.text, "Alex (WhatsApp)\n\nHello");
  const unnamed = cardOf({ ...text, contact: { ...contact, name: null } }, open).message.text;
  assertEquals(unnamed, "…4711 (WhatsApp)\n\nHello");
  assertEquals(
    cardOf({ ...text, type: "location", text: null }, open).message.text,
    "Alex (WhatsApp)\n(location)",
  );
});

Deno.test("cardOf(): mails that it stands for are counted, the latest named, and it says where all are", () => {
  const folded = {
    count: 37,
    last_at: "2026-11-30T12:05:00Z",
    latest: [
      { at: "2026-11-30T12:05:00Z", subject: "Disk of db-7\u202e is full\n" },
      { at: "2026-11-30T12:04:00Z", subject: null },
    ],
  };
  const { message } = cardOf(mail({ subject: "Disk of db-1 is full", text_full: "x".repeat(9000) }), {
    ...open,
    folded,
  });
  const lines = message.text.split("\n").slice(0, 6);
  assertEquals(lines.slice(2), [
    "🔁 37 more like this, last at 12:05 UTC",
    `All of them: gatelink telegram card ${TOKEN}`,
    "12:05 UTC Disk of db-7 is full",
    "12:04 UTC (no subject)",
  ]);
  assert(message.text.length <= MESSAGE_UNITS);
});

Deno.test("cardOf(): what somebody pressed stands at the end, and the buttons follow from it", () => {
  const card = cardOf(mail({ subject: "Hi", text_full: "Text" }), {
    token: TOKEN,
    version: 3,
    status: { state: "acknowledged", by: "Ana", at: "2026-11-30T09:05:00Z" },
  });
  assert(card.message.text.endsWith("👀 Acknowledged by Ana, 09:05 UTC"));
  assertEquals(card.buttons.flat().map(({ text }) => text), [
    "Resolve",
    "Snooze 1 h",
    "Assign to me",
    "Undo",
  ]);
  assertEquals(
    statusLine({ state: "snoozed", by: "Ana", until: "2026-11-30T10:00:00Z" }),
    "💤 Snoozed by Ana until 10:00 UTC",
  );
});

Deno.test("cardOf(): whatever is written, a card fits, its entities lie within it, and no character is torn", async () => {
  const words = fc.oneof(
    fc.string({ unit: "binary", maxLength: 6000 }),
    fc.string({ unit: "grapheme", maxLength: 6000 }),
    fc.nat(3000).map((n) => "👩‍👩‍👧‍👦 ".repeat(n)),
    fc.nat(5000).map((n) => "line\n".repeat(n)),
    fc.nat(6000).map((n) => `a${"\u0301".repeat(n)}`),
  );
  await holds(fc.property(words, words, words, (subject, name, text) => {
    const { message, buttons, rest } = cardOf(
      mail({ subject, from: { name, address: "a@example.com" }, recipient: name, text_full: text }),
      { ...open, status: { state: "resolved", by: name } },
    );
    assert(message.text.length <= MESSAGE_UNITS, `${message.text.length} units`);
    assert(message.text.isWellFormed());
    let end = 0;
    for (const { offset, length } of message.entities) {
      assert(offset >= end && length > 0);
      end = offset + length;
    }
    assert(end <= message.text.length);
    for (const { callback_data } of buttons.flat()) {
      assert(new TextEncoder().encode(callback_data).length <= 64);
    }
    if (rest !== undefined) assertEquals(rest, shown(text));
  }));
});

Deno.test("beginning(): the longest beginning that tears no character apart", () => {
  assertEquals(beginning("ab👍🏽cd", 4), "ab");
  assertEquals(beginning("ab👍🏽cd", 6), "ab👍🏽");
  assertEquals(beginning("a\u0301bc", 1), "");
  assertEquals(beginning("short", 10), "short");
});

Deno.test("pressOf(): reads what buttonsOf() writes, and nothing else", async () => {
  for (const state of ["open", "acknowledged", "snoozed", "resolved", "spam"] as const) {
    for (const { callback_data } of buttonsOf(TOKEN, 7, state).flat()) {
      const press = pressOf(callback_data);
      assertEquals([press?.token, press?.version], [TOKEN, 7]);
      assert(ACTIONS.includes(press!.action));
    }
  }
  for (const data of ["ack", `drop:${TOKEN}:1`, `ack:${TOKEN}:-1`, `ack:${TOKEN.toUpperCase()}:1`, 7, null]) {
    assertEquals(pressOf(data), undefined);
  }
  await holds(fc.property(fc.string(), (data) => {
    const press = pressOf(data);
    assert(press === undefined || data === `${press.action}:${press.token}:${press.version}`);
  }));
});
