import { assert, assertEquals } from "../../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { check } from "./outbound.ts";
import { phoneDigits, recipientSchema } from "./recipients.ts";
import { isBsuid } from "../inbound/identities.ts";
import { holds } from "../../../../../../tests/support/property.ts";

const BSUID = "US.13491208655302741918";
const PARENT = "US.ENT.11815799212886844830";

Deno.test("phoneDigits() extracts the digits of what people write, and adds none", () => {
  const cases: [string, string | undefined][] = [
    ["12025550123", "12025550123"],
    ["+1 (202) 555-0123", "12025550123"],
    ["+5491155550123", "5491155550123"],
    ["541155550123", "541155550123"],
    ["+44 (0)20 7946 0958", "442079460958"],
    ["\u200e+49\u00a0170\u20111234567\u202c", "491701234567"],
    ["＋４９　１７０ １２３４５６７", "491701234567"],
    ["+49 170 – 1234 — 567", "491701234567"],
    ["(0)301234567", undefined],
    ["1".repeat(70), undefined],
    ["0049301234567", undefined],
    ["12345", undefined],
    ["1234567890123456", undefined],
    ["+", undefined],
    ["(202) 555-0123", undefined],
    ["(+1) 202 555-0123", "12025550123"],
    ["", undefined],
    ["1202555O123", undefined],
    ["1+2025550123", undefined],
    [BSUID, undefined],
  ];
  for (const [value, digits] of cases) assertEquals(phoneDigits(value), digits, value);
});

Deno.test("isBsuid() recognises a BSUID and its parent", () => {
  for (const value of [BSUID, PARENT, "BR.a1"]) assert(isBsuid(value), value);
  for (const value of ["us.1", "USA.1", "US.", "US.1 ", "US.x.1", "12025550123", `US.${"1".repeat(129)}`]) {
    assert(!isBsuid(value), value);
  }
});

Deno.test("recipientSchema puts each id where Meta expects it", () => {
  const phone = { kind: "phone", value: "12025550123" };
  const bsuid = (value: string) => ({ kind: value === PARENT ? "parent_bsuid" : "bsuid", value });
  const contact = "01968f00-0000-7000-8000-0000000000c1";
  const cases: [Record<string, unknown>, Record<string, unknown> | string[]][] = [
    [{ to: "+1 202 555 0123" }, { to: "12025550123", identities: [phone] }],
    [{ to: 12025550123 }, { to: "12025550123", identities: [phone] }],
    [{ recipient: BSUID }, { to: BSUID, identities: [bsuid(BSUID)] }],
    [{ to: BSUID }, { to: BSUID, identities: [bsuid(BSUID)] }],
    [{ to: PARENT, recipient: BSUID }, { to: BSUID, identities: [bsuid(BSUID)] }],
    [{ to: "12025550123", recipient: PARENT }, { to: "12025550123", identities: [phone, bsuid(PARENT)] }],
    [{ to: "12025550123", recipient_type: "individual" }, { to: "12025550123", identities: [phone] }],
    [{ to: "R3JvdXA6MQ==", recipient_type: "group" }, {
      to: "R3JvdXA6MQ==",
      identities: [{ kind: "group", value: "R3JvdXA6MQ==" }],
    }],
    [{ to: contact.toUpperCase() }, { identities: [{ kind: "contact", value: contact }] }],
    [{ to: "@Nora.feld" }, { identities: [{ kind: "username", value: "nora.feld" }] }],
    [{ to: "12025550123", recipient_type: "group" }, ["to"]],
    [{ to: BSUID, recipient_type: "group" }, ["to"]],
    [{ recipient: BSUID, recipient_type: "group" }, ["to"]],
    [{ to: "12025550123", recipient_type: "status" }, ["recipient_type"]],
    [{}, ["to"]],
    [{ to: "No" }, ["to"]],
    [{ to: "no one" }, ["to"]],
    [{ to: "(202) 555-0123" }, ["to"]],
    [{ to: "" }, ["to"]],
    [{ to: null }, ["to"]],
    [{ recipient: "12025550123" }, ["recipient"]],
    [{ to: "12025550123", recipient: "Nora" }, ["recipient"]],
  ];
  for (const [input, expected] of cases) {
    const checked = check(recipientSchema, input);
    assertEquals(
      checked.ok ? checked.value : checked.issues.map(({ path }) => path),
      expected,
      JSON.stringify(input),
    );
  }
});

Deno.test("recipientSchema never throws", () => {
  const member = fc.oneof(fc.jsonValue(), fc.constantFrom(BSUID, "12025550123"));
  holds(fc.property(member, member, member, (to, recipient, recipient_type) => {
    const checked = check(recipientSchema, { to, recipient, recipient_type });
    assert(checked.ok ? checked.value.identities.length > 0 : checked.issues.length > 0);
  }));
});
