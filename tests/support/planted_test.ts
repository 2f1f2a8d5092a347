import { assert, assertEquals } from "./assert.ts";
import fc from "fast-check";
import { tracesOf, wamidOf } from "./planted.ts";
import { holds } from "./property.ts";

const PHONE = "491745550190";
const noise = fc.string({ unit: fc.constantFrom(...'xyz {}",:'), maxLength: 20 });

/** What somebody might do to a value before it gets out. */
const HIDDEN: Record<string, (value: string) => string> = {
  whole: (value) => value,
  reversed: (value) => [...value].reverse().join(""),
  percent: encodeURIComponent,
  hex: (value) => `\\x${[...value].map((c) => c.charCodeAt(0).toString(16).padStart(2, "0")).join("")}`,
  base64: btoa,
  base64url: (value) => btoa(value).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, ""),
};

Deno.test("tracesOf(): finds a value in each form and any context", () => {
  const value = fc.oneof(
    fc.string({ unit: fc.constantFrom(..."0123456789"), minLength: 8, maxLength: 15 }),
    fc.constantFrom("Zerafina Quellbrunn", "zerafina@postfach.example", "US.134912086553", "a/b+c?d~~~"),
  );
  holds(
    fc.property(
      value,
      noise,
      noise,
      fc.constantFrom(...Object.keys(HIDDEN)),
      (value, before, after, form) => {
        const encoded = form.startsWith("base64")
          ? HIDDEN[form](before + value + after) // bytes of others come along, at any of the three places
          : before + HIDDEN[form](value) + after;
        assert(tracesOf({ value }, encoded).length > 0, `${form}: ${encoded}`);
      },
    ),
  );
});

Deno.test("tracesOf(): finds a number as people write it", () => {
  for (const text of ["+49 174 555 0190", "+49 (174) 555-0190", "0049174/5550190", "49.174.5550190"]) {
    assertEquals(tracesOf({ phone: PHONE }, text), ["phone as it stands"], text);
  }
});

Deno.test("tracesOf(): ignores what is shown of a person on purpose", () => {
  assertEquals(
    tracesOf({ phone: PHONE, email: "ada@postfach.example" }, '{"a":"0190","b":"@postfach.example"}'),
    [],
  );
  assertEquals(tracesOf({ phone: PHONE }, crypto.randomUUID()), []);
});

Deno.test("wamidOf(): the number can be decoded from it", () => {
  const wamid = wamidOf(PHONE, "1a");
  assert(atob(wamid.slice("wamid.".length)).includes(PHONE));
  assert(tracesOf({ phone: PHONE }, wamid).includes("phone as base64, place 0"));
});
