import { assertEquals } from "../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { holds } from "../../../../../tests/support/property.ts";
import { wantsHtml, wantsJson } from "./accept.ts";

const of = (accept: string | null) => ({ get: () => accept });

Deno.test("wantsJson(), wantsHtml(): follow the weights of the header", () => {
  const cases: [string | null, boolean, boolean][] = [
    [null, false, false],
    ["*/*", false, false],
    ["application/json", true, false],
    ["application/json, text/html", true, true],
    ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", false, true],
    ["text/html, application/json;q=0.5", false, true],
    ["text/html;q=0.4, application/json;q=0.5", true, true],
    ["application/json;q=0", false, false],
    ["Application/JSON", true, false],
    ["Text/HTML", false, true],
    ["text/html;level=1;q=0.4, application/json ;q=0.5", true, true],
    ["application/json;q=0.500,text/html;q=0.5", true, true],
    ["application/json;q=0.9, text/html", false, true],
    ["application/json, text/plain, */*", true, false],
    ["application/json-seq", false, false],
    ["x-application/json", false, false],
    ["application/json ; Q=0.7", true, false],
    ["text/html;q=0, application/json;q=0.001", true, false],
    ["application/*", true, false],
    ["application/*;q=0.5, text/html", false, true],
    ["application/json;q=0, application/*", false, false],
    ["text/*", false, true],
    ["text/*, application/json;q=0.9", false, true],
    ['application/json;profile="a,b";q=0.2, text/html;q=0.3', false, true],
    ['application/json;profile="text/html,";q=0.2', true, false],
  ];
  for (const [accept, json, html] of cases) {
    assertEquals([wantsJson(of(accept)), wantsHtml(of(accept))], [json, html], String(accept));
  }
});

Deno.test("wantsJson(), wantsHtml() never throw", () => {
  holds(fc.property(fc.string(), (accept) => {
    wantsJson(of(`application/json${accept}`));
    wantsHtml(of(`text/html${accept}`));
  }));
});
