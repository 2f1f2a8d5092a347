import { assertEquals, assertRejects } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { compile } from "./compile.ts";
import { ConditionError, parseCondition } from "../contract/routing/condition.ts";
import type { MessageFacts } from "./facts.ts";
import { message } from "../../../../tests/support/routing_samples.ts";
import { holds } from "../../../../tests/support/property.ts";

const now = new Date("2026-03-02T10:00:00Z");
const applies = async (json: unknown, facts: Partial<MessageFacts>) =>
  (await compile(parseCondition(json)))(message(facts), { now });

const text = (match: string, value: string, case_sensitive = false) => ({
  type: "text",
  match,
  value,
  case_sensitive,
});
const referral = { source_id: "120", source_type: "ad", ctwa_clid: "ARA" };
const contact = { id: "01968f00-0000-7000-8000-0000000000c1" };

Deno.test("compile(): compiles each type of condition", async () => {
  const cases: [json: unknown, facts: Partial<MessageFacts>, holds: boolean][] = [
    [{ type: "any" }, {}, true],
    [{ type: "default" }, {}, true],
    [{ type: "message_type", in: ["image", "text"] }, {}, true],
    [{ type: "message_type", in: ["image"] }, {}, false],
    [text("exact", "Hello"), { body: " hELLO " }, true],
    [text("exact", "Hello"), { body: "hello there" }, false],
    [text("exact", "Hello", true), { body: "Hello" }, true],
    [text("exact", "Hello", true), { body: "hello" }, false],
    [text("exact", "Hello"), { body: undefined, type: "image" }, false],
    [text("prefix", "order "), { body: "Order 12" }, true],
    [text("prefix", "order"), { body: "my order" }, false],
    [text("keywords", "stop"), { body: "Please STOP." }, true],
    [text("keywords", "stop"), { body: "unstoppable" }, false],
    [{ type: "text", match: "keywords", values: ["refund", "возврат"] }, { body: "Нужен Возврат" }, true],
    [text("regex", "order #?(\\d{3,6})"), { body: "re: ORDER #1234" }, true],
    [text("regex", "order", true), { body: "ORDER" }, false],
    [text("regex", "^\\pL+$"), { body: "Привет" }, true],
    [text("regex", "^a"), { body: undefined }, false],
    [{ type: "choice", ids: ["yes"] }, { type: "interactive", choice: "yes" }, true],
    [{ type: "choice", ids: ["yes"] }, { type: "button", choice: "YES" }, false],
    [{ type: "choice", ids: ["yes"] }, {}, false],
    [{ type: "group" }, { group: "g1" }, true],
    [{ type: "group" }, {}, false],
    [{ type: "not", of: { type: "group" } }, {}, true],
    [{ type: "group", ids: ["g1", "g2"] }, { group: "g2" }, true],
    [{ type: "group", ids: ["g1"] }, { group: "g2" }, false],
    [{ type: "flow" }, { flow: { answers: {} } }, true],
    [{ type: "flow" }, {}, false],
    [{ type: "flow", tokens: ["book"] }, { flow: { token: "book", answers: {} } }, true],
    [{ type: "flow", tokens: ["book"] }, { flow: { answers: {} } }, false],
    [{ type: "flow", field: "size", values: ["M"] }, { flow: { answers: { size: "M" } } }, true],
    [{ type: "flow", field: "size", values: ["M"] }, { flow: { answers: { size: ["L", "M"] } } }, true],
    [{ type: "flow", field: "seats", values: ["2"] }, { flow: { answers: { seats: 2 } } }, true],
    [{ type: "flow", field: "news", values: ["true"] }, { flow: { answers: { news: true } } }, true],
    [{ type: "flow", field: "size", values: ["M"] }, { flow: { answers: { size: { M: 1 } } } }, false],
    [{ type: "flow", field: "toString", values: ["M"] }, { flow: { answers: {} } }, false],
    [
      { type: "flow", tokens: ["book"], field: "size", values: ["M"] },
      { flow: { token: "buy", answers: { size: "M" } } },
      false,
    ],
    [{ type: "referral" }, { referral }, true],
    [{ type: "referral" }, { referral: {} }, true],
    [{ type: "referral" }, {}, false],
    [{ type: "referral", source_id: "120" }, { referral }, true],
    [{ type: "referral", source_id: "121" }, { referral }, false],
    [{ type: "referral", source_id: "120", source_type: "post" }, { referral }, false],
    [{ type: "referral", ctwa: true }, { referral }, true],
    [{ type: "referral", ctwa: true }, { referral: { source_type: "ad" } }, false],
    [{ type: "referral", ctwa: false }, { referral: { source_type: "ad" } }, true],
    [{ type: "referral", ctwa: false }, {}, false],
    [{ type: "link_token", present: true }, { token: "abcdefghijklmnop" }, true],
    [{ type: "link_token", present: true }, {}, false],
    [{ type: "link_token", present: false }, {}, true],
    [{ type: "link", codes: ["PromO-1"] }, { link: { code: "promo-1", tags: [] } }, true],
    [{ type: "link", codes: ["promo-2"] }, { link: { code: "promo-1", tags: [] } }, false],
    [{ type: "link", tags: ["b", "c"] }, { link: { code: "x", tags: ["a", "b"] } }, true],
    [{ type: "link", tags: ["c"] }, { link: { code: "x", tags: ["a", "b"] } }, false],
    [{ type: "link", campaigns: ["spring"] }, { link: { code: "x", tags: [], campaign: "spring" } }, true],
    [{ type: "link", campaigns: ["spring"] }, { link: { code: "x", tags: [] } }, false],
    [{ type: "link", tags: ["a"], campaigns: ["spring"] }, { link: { code: "x", tags: ["a"] } }, false],
    [{ type: "link", codes: ["x"] }, {}, false],
    [{ type: "link", codes: ["x"] }, { token: "abcdefghijklmnop" }, false],
    [{ type: "number", ids: ["106540352242922"] }, {}, true],
    [{ type: "number", ids: ["1"] }, {}, false],
    [{ type: "contacts", ids: [contact.id] }, { contact }, true],
    [{ type: "contacts", phones: ["+1 650 555 1234"] }, {}, true],
    [{ type: "contacts", phones: ["+1 650 555 1235"] }, {}, false],
    [{ type: "contacts", phones: ["+1 650 555 1234"] }, { contact }, false],
    [{ type: "contacts", phones: ["+1 650 555 1235"], ids: [contact.id] }, {}, true],
    [{ type: "email" }, {}, false],
    [{ type: "not", of: { type: "email" } }, {}, true],
    [{ type: "email" }, { email: {} }, true],
    [{ type: "email", kinds: ["reply", "calendar"] }, { email: { kind: "calendar" } }, true],
    [{ type: "email", kinds: ["reply"] }, { email: { kind: "new_mail" } }, false],
    [{ type: "email", verified: true }, { email: { verified: true } }, true],
    [{ type: "email", verified: true }, { email: {} }, false],
    [{ type: "email", verified: false }, { email: {} }, true],
    [{ type: "email", identities: ["Alex@Example.com"] }, { email: {}, number_id: "alex@example.com" }, true],
    [{ type: "email", identities: ["alex@example.com"] }, { email: {}, number_id: "bo@example.com" }, false],
    [{ type: "email", subjects: ["invoice", "STRASSE"] }, { email: { subject: "Re: die Straße 5" } }, true],
    [{ type: "email", subjects: ["invoice"] }, { email: { subject: "Two invoices" } }, false],
    [{ type: "email", subjects: ["invoice"] }, { email: {} }, false],
    [{ type: "email", subjects: ["invoice"] }, { email: { subject: "" }, body: "invoice" }, false],
    [
      { type: "address", domains: ["Shop"] },
      { email: { recipient: "SHOP.payments.alert@in.example.com" } },
      true,
    ],
    [
      { type: "address", domains: ["shop"], types: ["alert", "incident"] },
      { email: { recipient: "shop.payments.incident+7@in.example.com" } },
      true,
    ],
    [{ type: "address", types: ["alert"] }, { email: { recipient: "shop.payments@in.example.com" } }, false],
    [{ type: "address", scopes: ["eu"] }, { email: { recipient: "shop.payments@in.example.com" } }, false],
    [{ type: "address", domains: ["shop"] }, { email: { recipient: "shop.a.b.c@in.example.com" } }, false],
    [{ type: "address", domains: ["shop"] }, { email: {} }, false],
    [{ type: "address", domains: ["shop"] }, {}, false],
    [{ type: "time", days: ["mon"], from: "11:00", to: "12:00", zone: "Europe/Berlin" }, {}, true],
    [{ type: "time", days: ["mon"], from: "10:00", to: "11:00", zone: "Europe/Berlin" }, {}, false],
    [{ type: "channel", in: ["whatsapp", "sms"] }, {}, true],
    [{ type: "channel", in: ["SMS"] }, { channel: "sms" }, true],
    [{ type: "channel", in: ["sms"] }, {}, false],
    [{ type: "all", of: [text("prefix", "hel"), { type: "message_type", in: ["text"] }] }, {}, true],
    [{ type: "all", of: [text("prefix", "hel"), { type: "message_type", in: ["image"] }] }, {}, false],
    [{ type: "any", of: [text("prefix", "x"), { type: "message_type", in: ["text"] }] }, {}, true],
    [{ type: "any", of: [text("prefix", "x"), { type: "message_type", in: ["image"] }] }, {}, false],
    [{ type: "not", of: text("prefix", "x") }, { body: undefined }, true],
  ];
  for (const [json, facts, expected] of cases) {
    assertEquals(await applies(json, facts), expected, `${JSON.stringify(json)} on ${JSON.stringify(facts)}`);
  }
});

Deno.test("compile() refuses an invalid or too large regular expression and says where", async () => {
  const cases: [pattern: string, said: string][] = [
    ["(", "missing closing )"],
    ["(a)\\1", "invalid escape sequence"],
    ["(?<=a)b", "is not a regular expression of RE2"],
    ["a{1001}", "invalid repeat count"],
    ["a{0,500}b{0,500}", "is too large: it compiles to"],
  ];
  for (const [pattern, said] of cases) {
    const json = {
      type: "all",
      of: [{ type: "any" }, { type: "text", match: "regex", values: ["ok", pattern] }],
    };
    const error = await assertRejects(() => compile(parseCondition(json)), ConditionError, said);
    assertEquals((error as ConditionError).issues[0].path, "of[1].values[1]");
  }
});

const facts: fc.Arbitrary<MessageFacts> = fc.record({
  id: fc.uuid(),
  channel: fc.constantFrom("whatsapp", "sms"),
  type: fc.constantFrom("text", "image", "interactive"),
  body: fc.oneof(fc.constantFrom("hello", "stop please", "12"), fc.string({ unit: "grapheme" })),
  choice: fc.constantFrom("yes", "no"),
  referral: fc.record({ source_id: fc.constantFrom("1", "2"), ctwa_clid: fc.constant("c") }, {
    requiredKeys: [],
  }),
  token: fc.constant("abcdefghijklmnop"),
  number_id: fc.constantFrom("1", "2"),
  contact: fc.record({ id: fc.uuid(), phone: fc.constantFrom("16505551234", "4915112345678") }, {
    requiredKeys: ["id"],
  }),
}, { requiredKeys: ["id", "channel", "type", "number_id", "contact"] });

const leaf = fc.constantFrom<unknown>(
  { type: "any" },
  { type: "message_type", in: ["text"] },
  text("keywords", "stop"),
  text("prefix", "he"),
  text("regex", "^\\d+$"),
  { type: "choice", ids: ["yes"] },
  { type: "referral", ctwa: true },
  { type: "link_token", present: true },
  { type: "number", ids: ["1"] },
  { type: "contacts", phones: ["16505551234"] },
  { type: "email", kinds: ["reply"], subjects: ["a"] },
  { type: "address", domains: ["shop"] },
  { type: "time", from: "09:00", to: "17:00", zone: "UTC" },
);
const tree: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  node: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.record({
      type: fc.constantFrom("all", "any"),
      of: fc.array(tie("node"), { minLength: 1, maxLength: 3 }),
    }),
    fc.record({ type: fc.constant("not"), of: tie("node") }),
  ),
})).node;
const moment = fc.record({
  now: fc.date({ noInvalidDate: true, min: new Date(0), max: new Date("2100-01-01") }),
});

Deno.test("compile(): not(not c) = c, not(all) = any(not), order inside all and any is irrelevant", async () => {
  await holds(fc.asyncProperty(tree, tree, facts, moment, async (a, b, m, at) => {
    const ask = async (json: unknown) => (await compile(parseCondition(json)))(m, at);
    const not = (of: unknown) => ({ type: "not", of });
    assertEquals(await ask(not(not(a))), await ask(a));
    const [all, any] = [(of: unknown[]) => ({ type: "all", of }), (of: unknown[]) => ({ type: "any", of })];
    assertEquals(await ask(not(all([a, b]))), await ask(any([not(a), not(b)])));
    assertEquals(await ask(all([a, b])), await ask(all([b, a])));
    assertEquals(await ask(any([a, b])), await ask(any([b, a])));
  }));
});
