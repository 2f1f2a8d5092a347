import { assertEquals } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import { readTraceparent, traceparentFor } from "./traceparent.ts";
import { holds } from "../../../../tests/support/property.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c", PARENT = "b7ad6b7169203331";
const GOOD = `00-${TRACE}-${PARENT}-01`;

const cases: [label: string, header: string | null, read: string | undefined][] = [
  ["as it should be", GOOD, GOOD],
  ["not sampled", `00-${TRACE}-${PARENT}-00`, `00-${TRACE}-${PARENT}-00`],
  ["a random trace id", `00-${TRACE}-${PARENT}-03`, `00-${TRACE}-${PARENT}-03`],
  ["flags that nobody knows", `00-${TRACE}-${PARENT}-fd`, GOOD],
  ["a version to come", `cc-${TRACE}-${PARENT}-01`, GOOD],
  ["a version to come, with more", `cc-${TRACE}-${PARENT}-ff-what-the-future-will-be-like`, GOOD],
  ["a version to come, with more in the wrong place", `cc-${TRACE}-${PARENT}-01.what`, undefined],
  ["version 00 with more", `${GOOD}-more`, undefined],
  ["version ff", `ff-${TRACE}-${PARENT}-01`, undefined],
  ["no header", null, undefined],
  ["an empty one", "", undefined],
  ["a trace id of zeros", `00-${"0".repeat(32)}-${PARENT}-01`, undefined],
  ["a parent id of zeros", `00-${TRACE}-${"0".repeat(16)}-01`, undefined],
  ["upper case", `00-${TRACE.toUpperCase()}-${PARENT}-01`, undefined],
  ["too short", GOOD.slice(0, -1), undefined],
  ["digits that are none", GOOD.replace("b7", "xy"), undefined],
  ["two headers", `${GOOD}, ${GOOD}`, undefined],
  ["white space", ` ${GOOD}`, undefined],
];
for (const [label, header, read] of cases) {
  Deno.test(`readTraceparent(): ${label}`, () => assertEquals(readTraceparent(header), read));
}

Deno.test("readTraceparent(): for any input the result is version 00 and parses to itself", () => {
  const hex = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`));
  const near = fc.tuple(hex(2), hex(32), hex(16), hex(2)).map((parts) => parts.join("-"));
  holds(fc.property(fc.oneof(near, fc.string()), (header) => {
    const read = readTraceparent(header);
    if (read === undefined) return;
    assertEquals(read.slice(0, 53), `00${header.slice(2, 53)}`);
    assertEquals(readTraceparent(read), read);
  }));
});

const MESSAGE = "01968f00-0000-7000-8000-00000000000A", DELIVERY = "01968f00-0000-7000-9000-0000000000bc";

Deno.test("traceparentFor(): continues the message's trace, with its flags", () => {
  assertEquals(traceparentFor(MESSAGE, DELIVERY, GOOD), `00-${TRACE}-90000000000000bc-01`);
  assertEquals(
    traceparentFor(MESSAGE, DELIVERY, `00-${TRACE}-${PARENT}-02`),
    `00-${TRACE}-90000000000000bc-02`,
  );
});

Deno.test("traceparentFor(): without a valid one the message's id is the trace", () => {
  const own = "00-01968f0000007000800000000000000a-90000000000000bc-01";
  for (const came of [undefined, null, "nonsense"]) {
    assertEquals(traceparentFor(MESSAGE, DELIVERY, came), own);
  }
});

Deno.test("traceparentFor(): returns no header for foreign ids", () => {
  assertEquals(traceparentFor("m1", DELIVERY, GOOD), undefined);
  assertEquals(traceparentFor(MESSAGE, "d1", GOOD), undefined);
});
