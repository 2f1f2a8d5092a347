import { assertEquals } from "../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../../tests/support/property.ts";
import { codeOf, typedCode } from "./code.ts";

Deno.test("codeOf(): reads the code as people, keyboards and programs write it", () => {
  const forms = [
    "spring-24",
    "SPRING-24",
    "%73pring%2D24",
    "%2573pring",
    "“spring-24”",
    "%E2%80%9Cspring-24%E2%80%9D",
    "«spring-24»",
    "「spring-24」",
    "„spring-24“",
    "(spring-24)",
    "[spring-24]",
    "*spring-24*",
    "`spring-24`",
    "%7Bspring-24%7D",
    "spring-24%E3%80%81",
    "spring-24%D8%8C",
    "spring-24%E0%A5%A4",
    "spring-24%EF%BC%89",
    "spring-24%EF%BB%BF",
    "spring-24%E2%81%A0",
    "%E2%80%8Espring-24",
    "spring%E2%80%8B-24",
    "spring-24%C2%AD",
    "ＳＰＲＩＮＧ-24",
    "spring-24&amp;utm_source=x",
    "spring-24%26utm_source=x",
    "spring-24%23top",
    "spring-24?",
    "spring-24;",
    "spring-24です",
    "spring-24%2520",
    "spring-24%3Cbr%3E",
    "spring-24%22%3Ehere",
    "spring-24%5Cn",
  ];
  for (const form of forms) {
    if (form !== "%2573pring") assertEquals(codeOf(form), "spring-24", form);
  }
  assertEquals(codeOf("%2573pring"), "%2573pring", "decoded once");
});

Deno.test("codeOf(): leaves what is not a code unchanged", () => {
  for (
    const text of [".env", "_next", "-x", "über", "spring-24.php", "a b", "favicon.ico", "%ff", "@me", ""]
  ) {
    assertEquals(codeOf(text), text, text);
  }
});

Deno.test("codeOf(), typedCode(): find a code in any surroundings, and never throw", () => {
  const code = fc.stringMatching(/^[a-z0-9][a-z0-9-]{2,20}[a-z0-9]$/);
  const junk = fc.stringMatching(/^[\s"'”’»」）。、…]{0,5}$/u);
  holds(fc.property(code, junk, (code, junk) => {
    assertEquals(codeOf(encodeURIComponent(code + junk)), code);
    assertEquals(typedCode(`https://go.example.com/${code}${junk}`), code);
  }));
  holds(fc.property(fc.string({ unit: "binary" }), (text) => {
    codeOf(text);
    typedCode(text);
  }));
});
