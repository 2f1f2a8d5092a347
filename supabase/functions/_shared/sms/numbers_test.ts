import { assertEquals } from "../../../../tests/support/assert.ts";
import { partyOf, phoneOf, toProvider } from "./numbers.ts";

Deno.test("partyOf(): numbers, short codes and names, as providers write them", () => {
  for (
    const [text, kind, value] of [
      ["+12025550143", "phone", "12025550143"],
      [" +447700900123 ", "phone", "447700900123"],
      ["12025550143", "phone", "12025550143"],
      ["72345", "short_code", "72345"],
      ["BAKERY", "sender_name", "BAKERY"],
      ["+0123", "sender_name", "+0123"],
    ] as const
  ) assertEquals(partyOf(text), { kind, value });
  assertEquals([partyOf(""), partyOf("  "), partyOf(undefined)], [undefined, undefined, undefined]);
  assertEquals(partyOf("\ud800a\0b")?.value, "\ufffdab");
});

Deno.test("toProvider(): a plus sign before numbers, none before short codes and names", () => {
  assertEquals(["12025550143", "72345", "BAKERY"].map(toProvider), ["+12025550143", "72345", "BAKERY"]);
});

Deno.test("phoneOf(): what people type", () => {
  assertEquals(phoneOf("+1 (202) 555-0143"), "12025550143");
  assertEquals(phoneOf("0044 7700"), undefined);
  assertEquals(phoneOf("nobody"), undefined);
  assertEquals(phoneOf("1".repeat(50)), undefined);
});
