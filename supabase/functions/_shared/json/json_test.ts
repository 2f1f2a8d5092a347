import { assertEquals, assertThrows } from "../../../../tests/support/assert.ts";
import fc from "fast-check";
import {
  ALTERED,
  decode,
  decodeStorable,
  id,
  isStorable,
  MAX_DEPTH,
  text,
  time,
  toStorable,
} from "./json.ts";
import { holds } from "../../../../tests/support/property.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const nested = (depth: number, bottom: unknown = 1) => {
  let value = bottom;
  for (let i = 0; i < depth; i++) value = [value];
  return value;
};

Deno.test("decode() returns what JSON.parse returns, for any JSON", () => {
  holds(fc.property(fc.json(), (source) => {
    assertEquals(decode(bytes(source)), JSON.parse(source));
  }));
});

Deno.test("decode() keeps the digits of numbers that a double would change", () => {
  assertEquals(decode(bytes('{"id":13491208655302741918,"n":[1e400,-1E999 ,0.1,12]}')), {
    id: "13491208655302741918",
    n: ["1e400", "-1E999", 0.1, 12],
  });
  assertEquals(decode(bytes("[1e300,1E+20,1e-400,0e9,37.461197812345678901,100000000000000000000]")), [
    1e300,
    1e20,
    "1e-400",
    0,
    37.461197812345678,
    1e20,
  ]);
  assertEquals(decode(bytes("[9007199254740991,9007199254740993]")), [9007199254740991, "9007199254740993"]);
  assertEquals(decode(bytes('{"t":"call:13491208655302741918"}')), { t: "call:13491208655302741918" });
});

Deno.test("decode() refuses what is not UTF-8 or not JSON", () => {
  for (const source of ["", "{", '{"a":1}x', "undefined", "\u0000", "NaN", '"\t"']) {
    assertThrows(() => decode(bytes(source)), SyntaxError);
  }
  assertThrows(() => decode(new Uint8Array([0x22, 0xff, 0x22])), TypeError);
  assertThrows(() => decode(new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22])), TypeError); // a surrogate in UTF-8
});

Deno.test("decode() survives extreme nesting, with and without numbers to keep", () => {
  for (const bottom of ["", "12345678901234567890"]) {
    const value = decode(bytes("[".repeat(200_000) + bottom + "]".repeat(200_000)));
    assertEquals(isStorable(value), false);
    assertEquals(
      JSON.stringify(toStorable(value)),
      "[".repeat(MAX_DEPTH) + '"\uFFFD"' + "]".repeat(MAX_DEPTH),
    );
  }
});

Deno.test("isStorable() accepts exactly what Postgres does", () => {
  for (const value of [null, true, 1.5, "é 🌷", [], {}, { a: ["b"] }, nested(MAX_DEPTH)]) {
    assertEquals(isStorable(value), true);
    assertEquals(toStorable(value), value);
  }
  for (
    const value of ["\0", "\ud800", "a\udc00b", { "\0": 1 }, ["\0"], Infinity, NaN, nested(MAX_DEPTH + 1)]
  ) {
    assertEquals(isStorable(value), false);
    assertEquals(isStorable(toStorable(value)), true);
  }
});

Deno.test("toStorable() replaces visibly, and records in the object what it replaced", () => {
  assertEquals(toStorable({ a: "x\0", "b\0": ["\ud800y"], n: -Infinity }), {
    a: "x\uFFFD",
    "b\uFFFD": ["\uFFFDy"],
    n: "-Infinity",
    [ALTERED]: ["nul", "number", "surrogate"],
  });
});

Deno.test("toStorable() keeps a member named __proto__ as a member", () => {
  const value = toStorable(JSON.parse('{"__proto__":{"a":"\\u0000"}}'));
  assertEquals(JSON.stringify(value), '{"__proto__":{"a":"\uFFFD"},"_altered":["nul"]}');
});

Deno.test("toStorable() makes anything storable, and leaves storable values unchanged", () => {
  const anything = fc.jsonValue({ stringUnit: "binary" });
  holds(fc.property(anything, (value) => {
    const kept = toStorable(value);
    assertEquals(isStorable(kept), true);
    if (isStorable(value)) assertEquals(kept, value);
  }));
});

Deno.test("text() and id() accept texts and numbers, nothing else", () => {
  assertEquals([text("a"), text(7), text(""), text(null), text({}), text(["a"]), text(true)], [
    "a",
    "7",
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  assertEquals(id("x".repeat(256))?.length, 256);
  assertEquals(id("x".repeat(257)), undefined);
});

Deno.test("time() accepts Unix seconds of this century", () => {
  const cases: [unknown, string | undefined][] = [
    ["1780000000", "2026-05-28T20:26:40.000Z"],
    [1780000000, "2026-05-28T20:26:40.000Z"],
    [1780000000.9, "2026-05-28T20:26:40.000Z"],
    ["946684800", "2000-01-01T00:00:00.000Z"],
    ["946684799", undefined],
    ["4102444799", "2099-12-31T23:59:59.000Z"],
    ["4102444800", undefined],
    ["1780000000000", undefined],
    ["0", undefined],
    ["", undefined],
    ["-1780000000", undefined],
    ["1e9", undefined],
    [" 1780000000", undefined],
    [NaN, undefined],
    [Infinity, undefined],
    [null, undefined],
    [{}, undefined],
  ];
  for (const [value, expected] of cases) assertEquals(time(value), expected, String(value));
});

Deno.test("decodeStorable() says what decode() and isStorable() say, for any JSON", () => {
  const character = fc.constantFrom(
    "a",
    "{",
    "[",
    "\\",
    "u0000",
    "\0",
    "\ud83d",
    "\ude00",
    "\ud83d\ude00",
    "é",
  );
  const string = fc.array(character).map((parts) => parts.join(""));
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { depthSize: "small" },
      string,
      fc.double(),
      fc.constantFrom(null, true, 0),
      fc.array(tie("tree"), { maxLength: 4 }),
      fc.dictionary(string, tie("tree"), { maxKeys: 4 }),
    ),
  }));
  // Around the depth and the number of brackets from which each value is looked at.
  const nested = fc.tuple(tree, fc.nat(MAX_DEPTH + 2), fc.nat(MAX_DEPTH + 2), fc.boolean()).map(
    ([inner, depth, beside, named]) => {
      let value = inner;
      for (let i = 0; i < depth; i++) value = named ? { a: value } : [value];
      return [value, ...new Array(beside).fill({})];
    },
  );
  const escaped = (source: string) =>
    source.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const source = fc.oneof(tree, nested).map((value) => JSON.stringify(value));
  const odd = fc.constantFrom(
    '{"a":1e400}',
    " -1e400",
    "1".repeat(400),
    '"\\uD83D"',
    '"\\udE00"',
    '{"\\u0000":1}',
    '"\\\\u0000"',
    "[1234567890123456789]",
  );
  holds(fc.property(fc.oneof(source, source.map(escaped), odd), (source) => {
    const bytes = new TextEncoder().encode(source);
    const value = decode(bytes);
    assertEquals(decodeStorable(bytes), { value, storable: isStorable(value) });
  }));
});
