import { assertEquals } from "../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../../tests/support/property.ts";
import { appendedQuery, codeOf, strayPart, typedCode } from "./code.ts";

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
    "spring-24%20is%20here",
    "spring-24,%20and%20more",
    "spring-24%0D%0AHi",
    "spring-24%09x",
    "%2Fspring-24",
    // Hyphens of typesetters and word processors.
    "spring%E2%80%9024",
    "spring%E2%80%9124",
    "spring%E2%80%9324",
    "spring%E2%88%9224",
    "spring-24%E2%80%94more",
  ];
  for (const form of forms) {
    if (form !== "%2573pring") assertEquals(codeOf(form), "spring-24", form);
  }
  assertEquals(codeOf("%2573pring"), "%2573pring", "decoded once");
});

Deno.test("codeOf(): leaves what is not a code unchanged", () => {
  for (
    const text of [
      ".env",
      "_next",
      "-x",
      "über",
      "spring-24.php",
      "spring-24+and",
      "favicon.ico",
      "%ff",
      "@me",
      "",
    ]
  ) {
    assertEquals(codeOf(text), text, text);
  }
});

Deno.test("appendedQuery(): the query in a path, encoded or appended to a code", () => {
  const cases = [
    ["spring-24%3Futm_source=x", "utm_source=x"],
    ["spring-24%3futm_source%3Dx%26id%3D7", "utm_source=x&id=7"],
    ["spring-24&utm_source=soup", "utm_source=soup"],
    ["spring-24&amp;utm_source=x&amp;id=7", "utm_source=x&id=7"],
    ["spring-24%26utm_source=x", "utm_source=x"],
    ["spring-24%3Fname=a%20b", "name=a%20b"],
    ["spring-24%3Fid%3D7%23top", "id=7"],
    ["spring-24%3Futm_source%3Dx%26id=7", "utm_source=x&id=7"],
    ["spring-24%3Fto=a%3Db%26c", "to=a%3Db%26c"],
    ["spring-24%3Fbad%3D%ff", "bad%3D%ff"],
    ["spring-24", ""],
    ["spring-24%3F", ""],
    ["%3Fx=1", ""],
  ];
  for (const [part, query] of cases) assertEquals(appendedQuery(part), query, part);
});

Deno.test("strayPart(): the code in a path with too many slashes, or with markup after it", () => {
  const cases: [string, string | undefined][] = [
    ["//spring-24", "spring-24"],
    ["///spring-24//", "spring-24"],
    ["/spring-24%3C/a%3E", "spring-24%3C"],
    ["/spring-24%22/%3E", "spring-24%22"],
    ["/spring-24%20/%20more", "spring-24%20"],
    ["/spring-24/products/7", undefined],
    ["/.env%20/x", undefined],
    ["//", undefined],
    ["/", undefined],
  ];
  for (const [path, part] of cases) assertEquals(strayPart(path), part, path);
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
    appendedQuery(text);
    strayPart(text);
  }));
});
