import { AssertionError } from "node:assert";
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertNotEquals,
  assertNotMatch,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  fail,
} from "./assert.ts";

/** What a check says that fails; undefined for one that holds. */
function said(check: () => void): string | undefined {
  try {
    check();
  } catch (error) {
    if (error instanceof AssertionError) return error.message;
    throw error;
  }
}
/** These tests rely on nothing that they test. */
function require(holds: boolean, about: string): void {
  if (!holds) throw new Error(about);
}

const bare = Object.assign(Object.create(null), { a: 1 });

Deno.test("assertEquals(): compares content and class deeply", () => {
  const equal: [unknown, unknown][] = [
    [1, 1],
    [NaN, NaN],
    [{ a: [1, { b: "x" }] }, { a: [1, { b: "x" }] }],
    [new Map([["a", [1]]]), new Map([["a", [1]]])],
    [new Set(["a"]), new Set(["a"])],
    [new Date(0), new Date(0)],
    [new Uint8Array([1]), new Uint8Array([1])],
    [{ deep: [bare] }, { deep: [{ a: 1 }] }],
    [/(?<a>x)/.exec("x")!.groups, { a: "x" }],
  ];
  for (const [index, [one, other]] of equal.entries()) {
    require(said(() => assertEquals(one, other)) === undefined, `the pair ${index} is equal`);
    require(said(() => assertNotEquals(one, other)) !== undefined, `the pair ${index} is not unequal`);
  }
  const unequal: [unknown, unknown][] = [
    [0, -0],
    [1, "1"],
    [{ a: undefined }, {}],
    [[1, 2], [2, 1]],
    [[1, undefined], [1]],
    [new Map([["a", 1]]), new Map([["a", 2]])],
    [new Date(0), new Date(1)],
    [new Error("a"), new Error("b")],
    [new (class A {})(), {}],
    [{ deep: [bare] }, { deep: [{ a: 2 }] }],
  ];
  for (const [index, [one, other]] of unequal.entries()) {
    require(said(() => assertEquals(one, other)) !== undefined, `the pair ${index} is not equal`);
    require(said(() => assertNotEquals(one, other)) === undefined, `the pair ${index} is unequal`);
  }
  const text = said(() => assertEquals({ a: 1 }, { a: 2 }, "the sum"))!;
  require(text.startsWith("the sum\n") && /a: 1/.test(text) && /a: 2/.test(text), text);
});

Deno.test("assertThrows(), assertRejects(): return the expected error, and accept no other", async () => {
  const bad = () => {
    throw new RangeError("too much");
  };
  require(assertThrows(bad, RangeError, "much").message === "too much", "gives it");
  require(assertThrows(bad) instanceof RangeError, "takes any");
  for (
    const check of [
      () => void assertThrows(() => 1),
      () => void assertThrows(bad, TypeError),
      () => void assertThrows(bad, RangeError, "little"),
    ]
  ) require(said(check) !== undefined, String(check));
  const rejecting = () => Promise.reject(new RangeError("too much"));
  require((await assertRejects(rejecting, RangeError, "much")).message === "too much", "gives it");
  for (
    const check of [
      () => assertRejects(() => Promise.resolve()),
      () => assertRejects(rejecting, TypeError),
      () => assertRejects(rejecting, RangeError, "little"),
      () => assertRejects(bad as () => Promise<void>, RangeError),
    ]
  ) {
    const error = await check().then(() => undefined, (error) => error);
    require(error instanceof AssertionError, String(check));
  }
});

Deno.test("the other assertions: pass, fail, and name the values", () => {
  const cases: [holds: () => void, fails: () => void, says: string][] = [
    [() => assert(1), () => assert(0, "none left"), "none left"],
    [() => assertStrictEquals(bare, bare), () => assertStrictEquals({}, {}), "very same"],
    [() => assertAlmostEquals(1, 1 + 1e-9), () => assertAlmostEquals(1, 2), "1 is not 2"],
    [() => assertStringIncludes("abc", "b"), () => assertStringIncludes("abc", "x"), '"abc"'],
    [() => assertMatch("abc", /b/), () => assertMatch("abc", /x/, "letters"), "letters"],
    [() => assertNotMatch("abc", /x/), () => assertNotMatch("abc", /b/), "/b/"],
    [() => assertInstanceOf(new RangeError(), Error), () => assertInstanceOf("x", Error), "x"],
    [() => {}, () => fail("enough"), "enough"],
  ];
  for (const [holds, fails, says] of cases) {
    require(said(holds) === undefined, String(holds));
    require(said(fails)?.includes(says) === true, `${fails}: ${said(fails)}`);
  }
});
