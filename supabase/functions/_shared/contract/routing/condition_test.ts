import { assertEquals, assertThrows } from "../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { type Condition, ConditionError, isForMailAlone, LIMITS, parseCondition } from "./condition.ts";
import { describe, MAX_DESCRIPTION } from "../../routing/describe.ts";
import { holds } from "../../../../../tests/support/property.ts";

const CONTACT = "01968f00-0000-7000-8000-0000000000c1";
const list = (length: number) => Array.from({ length }, (_, i) => `v${i}`);
const nested = (depth: number): unknown =>
  depth === 1 ? { type: "any" } : { type: "not", of: nested(depth - 1) };

Deno.test("parseCondition() returns the stored form, and describe() describes it", () => {
  const cases: [json: unknown, stored: Condition, words: string][] = [
    [{ type: "any" }, { type: "any" }, "any message"],
    [{ type: "default" }, { type: "default" }, "no other route"],
    [
      { type: "message_type", in: ["image", "video"] },
      { type: "message_type", in: ["image", "video"] },
      'type is "image" or "video"',
    ],
    [
      { type: "text", match: "exact", value: "hi" },
      { type: "text", match: "exact", values: ["hi"], case_sensitive: false },
      'text is "hi"',
    ],
    [
      { type: "text", match: "keywords", values: ["a", "b", "c", "d", "e"], case_sensitive: true },
      { type: "text", match: "keywords", values: ["a", "b", "c", "d", "e"], case_sensitive: true },
      'text has "a" or "b" or "c" or 2 more',
    ],
    [
      { type: "text", match: "regex", value: "^\\d+$" },
      { type: "text", match: "regex", values: ["^\\d+$"], case_sensitive: false },
      'text matches "^\\d+$"',
    ],
    [{ type: "choice", ids: ["yes"] }, { type: "choice", ids: ["yes"] }, 'choice is "yes"'],
    [{ type: "referral" }, { type: "referral" }, "from an ad or post"],
    [
      { type: "referral", source_type: "ad", source_id: "12", ctwa: true },
      { type: "referral", source_type: "ad", source_id: "12", ctwa: true },
      'from an ad or post, type "ad", id "12", with click id',
    ],
    [
      { type: "link", codes: ["Promo"], tags: ["a"] },
      { type: "link", codes: ["promo"], tags: ["a"] },
      'link is "promo" and link\'s tag is "a"',
    ],
    [
      { type: "link_token", present: true },
      { type: "link_token", present: true },
      "has a link token",
    ],
    [{ type: "number", ids: ["1065"] }, { type: "number", ids: ["1065"] }, 'business number is "1065"'],
    [
      { type: "contacts", ids: [CONTACT.toUpperCase()], phones: ["+1 (650) 555-1234"] },
      { type: "contacts", ids: [CONTACT], phones: ["16505551234"] },
      "contact is in a list of 2",
    ],
    [{ type: "group" }, { type: "group" }, "written in a group"],
    [{ type: "group", ids: ["g1"] }, { type: "group", ids: ["g1"] }, 'group is "g1"'],
    [{ type: "flow" }, { type: "flow" }, "answers of a Flow"],
    [
      { type: "flow", tokens: ["book"], field: "size", values: ["M", "L"] },
      { type: "flow", tokens: ["book"], field: "size", values: ["M", "L"] },
      'answers of a Flow, token is "book", size is "M" or "L"',
    ],
    [{ type: "email" }, { type: "email" }, "a mail"],
    [
      {
        type: "email",
        kinds: ["reply"],
        verified: false,
        identities: ["Alex@Example.com"],
        subjects: ["Invoice"],
      },
      {
        type: "email",
        kinds: ["reply"],
        verified: false,
        identities: ["alex@example.com"],
        subjects: ["Invoice"],
      },
      'a mail, kind is "reply", not verified, to "alex@example.com", subject has "Invoice"',
    ],
    [
      { type: "address", domains: ["Shop"], scopes: ["eu"], types: ["alert", "incident"] },
      { type: "address", domains: ["shop"], scopes: ["eu"], types: ["alert", "incident"] },
      'address\'s domain is "shop" and address\'s scope is "eu" and address\'s type is "alert" or "incident"',
    ],
    [
      { type: "time", days: ["sat", "sun"], from: "09:00", to: "17:00", zone: "Europe/Berlin" },
      { type: "time", days: ["sat", "sun"], from: "09:00", to: "17:00", zone: "Europe/Berlin" },
      "time is sat, sun 09:00-17:00 Europe/Berlin",
    ],
    [
      { type: "time", from: "22:00", zone: "UTC" },
      {
        type: "time",
        days: ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
        from: "22:00",
        to: "24:00",
        zone: "UTC",
      },
      "time is every day 22:00-24:00 UTC",
    ],
    [
      {
        type: "all",
        of: [{ type: "any" }, { type: "not", of: { type: "any", of: [{ type: "referral" }] } }],
      },
      {
        type: "all",
        of: [{ type: "any" }, { type: "not", of: { type: "any", of: [{ type: "referral" }] } }],
      },
      "(any message and not (from an ad or post))",
    ],
  ];
  for (const [json, stored, words] of cases) {
    assertEquals(parseCondition(json), stored);
    assertEquals(describe(stored), words);
    assertEquals(parseCondition(stored), stored, "the stored form is accepted as it stands");
  }
});

Deno.test("isForMailAlone(): what no message of another channel can meet", () => {
  const [mail, any] = [{ type: "email" }, { type: "any" }];
  const cases: [json: unknown, alone: boolean][] = [
    [mail, true],
    [{ type: "address", domains: ["shop"] }, true],
    [{ type: "channel", in: ["email"] }, true],
    [{ type: "channel", in: ["email", "sms"] }, false],
    [{ type: "all", of: [any, mail] }, true],
    [{ type: "all", of: [any, { type: "not", of: mail }] }, false],
    [{ type: "any", of: [mail, any] }, false],
    [{ type: "any", of: [mail, { type: "all", of: [mail, any] }] }, true],
    [any, false],
    [{ type: "default" }, false],
  ];
  for (const [json, alone] of cases) {
    assertEquals(isForMailAlone(parseCondition(json)), alone, JSON.stringify(json));
  }
});

Deno.test("parseCondition() says where the error is and what it is", () => {
  const cases: [json: unknown, message: string][] = [
    [null, "condition: Invalid input: expected object, received null"],
    ["any", "condition: Invalid input: expected object, received string"],
    [{}, "type: must be one of any, all, not, default, message_type, text, choice, referral, "],
    [{ type: "anny" }, "type: must be one of any, "],
    [{ type: "any", off: [] }, 'condition: Unrecognized key: "off"'],
    [{ type: "all" }, "of: Invalid input: expected array, received undefined"],
    [{ type: "all", of: [] }, "of: must not be empty"],
    [{ type: "any", of: [] }, "of: must not be empty"],
    [{ type: "not", of: [{ type: "any" }] }, "of: Invalid input: expected object, received array"],
    [
      { type: "all", of: [{ type: "any" }, { type: "message_type", in: [""] }] },
      "of[1].in[0]: must not be empty",
    ],
    [{ type: "text", match: "prefix" }, 'condition: needs either "value" or "values"'],
    [
      { type: "text", match: "exact", value: "a", values: ["b"] },
      'condition: needs either "value" or "values"',
    ],
    [{ type: "text", match: "prefix", value: "\u200b" }, "value: must not be empty"],
    [
      { type: "text", match: "fuzzy", value: "a" },
      'match: Invalid option: expected one of "exact"|"prefix"|',
    ],
    [{ type: "text", match: "exact", value: "a", case_sensitve: true }, 'Unrecognized key: "case_sensitve"'],
    [{ type: "text", match: "regex", value: "a".repeat(501) }, "value: at most 500 characters"],
    [{ type: "flow", field: "size" }, 'condition: needs "field" and "values" together'],
    [{ type: "flow", values: ["M"] }, 'condition: needs "field" and "values" together'],
    [{ type: "group", ids: [] }, "ids: must not be empty"],
    [{ type: "contacts" }, 'condition: needs "ids" or "phones"'],
    [{ type: "contacts", ids: ["x"] }, "ids[0]: is not a contact's id"],
    [{ type: "contacts", phones: ["x"] }, "phones[0]: is not a phone number with its country code"],
    [{ type: "contacts", phones: ["12 34"] }, "phones[0]: is not a phone number with its country code"],
    [{ type: "email", kinds: ["bounce"] }, 'kinds[0]: Invalid option: expected one of "reply"|"calendar"|'],
    [{ type: "email", identities: ["alex"] }, "identities[0]: is not an address"],
    [{ type: "address" }, 'condition: needs "domains", "scopes" or "types"'],
    [{ type: "address", types: ["a.b"] }, "types[0]: is not a part of an address"],
    [{ type: "link" }, 'condition: needs "codes", "tags" or "campaigns"'],
    [{ type: "link", tags: [] }, "tags: must not be empty"],
    [{ type: "link_token" }, "present: Invalid input: expected boolean, received undefined"],
    [{ type: "time", zone: "Mars/Olympus" }, 'zone: is not a time zone like "Europe/Berlin"'],
    [{ type: "time", from: "9:00", zone: "UTC" }, 'from: is not a time like "09:00"'],
    [{ type: "time", from: "24:00", zone: "UTC" }, 'from: is not a time like "09:00"'],
    [{ type: "time", to: "24:01", zone: "UTC" }, 'to: is not a time like "17:00"'],
    [{ type: "time", from: "09:00", to: "09:00", zone: "UTC" }, "condition: is empty"],
    [{ type: "time", days: ["monday"], zone: "UTC" }, "days[0]: Invalid option"],
  ];
  for (const [json, message] of cases) {
    assertThrows(() => parseCondition(json), ConditionError, message, JSON.stringify(json));
  }
});

Deno.test("parseCondition() enforces its limits exactly", () => {
  const any = { type: "any" };
  const pattern = { type: "text", match: "regex", value: "a" };
  const cases: [name: string, allowed: unknown, refused: unknown, message: string][] = [
    ["depth", nested(LIMITS.depth), nested(LIMITS.depth + 1), "is nested more than 8 deep"],
    [
      "nodes",
      { type: "all", of: Array(LIMITS.nodes - 1).fill(any) },
      { type: "all", of: Array(LIMITS.nodes).fill(any) },
      "more than 100 conditions in one",
    ],
    [
      "list",
      { type: "choice", ids: list(LIMITS.list) },
      { type: "choice", ids: list(LIMITS.list + 1) },
      "ids: at most 1000 entries",
    ],
    [
      "text",
      { type: "choice", ids: ["a".repeat(LIMITS.text)] },
      { type: "choice", ids: ["a".repeat(LIMITS.text + 1)] },
      "ids[0]: at most 500 characters",
    ],
    [
      "patterns",
      { type: "any", of: Array(LIMITS.patterns).fill(pattern) },
      { type: "any", of: [{ ...pattern, value: undefined, values: list(LIMITS.patterns) }, pattern] },
      "more than 20 regular expressions",
    ],
  ];
  for (const [name, allowed, refused, message] of cases) {
    parseCondition(allowed);
    assertThrows(() => parseCondition(refused), ConditionError, message, name);
  }
  assertThrows(() => parseCondition(nested(5000)), ConditionError, "deep");
  assertThrows(
    () => parseCondition({ type: "all", of: Array(1_000_000).fill(any) }),
    ConditionError,
    "more than 100 conditions",
  );
});

Deno.test("parseCondition() answers any JSON with a condition or a ConditionError", () => {
  const tree = fc.letrec((tie) => ({
    node: fc.oneof(
      fc.jsonValue(),
      fc.record({
        type: fc.constantFrom("any", "all", "not", "text", "time", "contacts", "__proto__"),
        of: fc.oneof(tie("node"), fc.array(tie("node"))),
        match: fc.constantFrom("regex", "exact"),
        value: fc.jsonValue(),
      }, { requiredKeys: ["type"] }),
    ),
  })).node;
  holds(fc.property(tree, (json) => {
    try {
      parseCondition(json);
    } catch (error) {
      assertEquals(error instanceof ConditionError, true, String(error));
    }
  }));
});

Deno.test("describe() stays short and shows no contact", () => {
  const long = parseCondition({
    type: "any",
    of: Array(50).fill({ type: "choice", ids: ["💬".repeat(20)] }),
  });
  assertEquals(Array.from(describe(long)).length, MAX_DESCRIPTION);
  assertEquals(describe(long).isWellFormed(), true);
  const phones = parseCondition({ type: "contacts", phones: ["16505551234"] });
  assertEquals(/\d{2}/.test(describe(phones)), false);
});
