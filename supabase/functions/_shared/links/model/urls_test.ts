import { assert, assertEquals } from "../../../../../tests/support/assert.ts";
import fc from "fast-check";
import cases from "../../../../../tests/cases/redirects.json" with { type: "json" };
import type { Target } from "../../contract/links.ts";
import type { LinkRow } from "./link.ts";
import { placeOf } from "../answer/address.ts";
import { resolve } from "../answer/resolve.ts";
import { AGENTS, linkOf, rulesOf, visitOf } from "../../../../../tests/support/links_samples.ts";
import { chatAddress, checkApp, checkWeb, intentUrl, withParams, withQuery } from "./urls.ts";
import { holds } from "../../../../../tests/support/property.ts";

const rules = await rulesOf();
const ALLOWED = /^([a-z0-9-]+\.)+shop\.example$|^(www\.example\.com|apps\.apple\.com|play\.google\.com)$/;

for (const { url, ok, url_kept } of cases.web as { url: string; ok: boolean; url_kept?: string }[]) {
  Deno.test(`checkWeb(): ${JSON.stringify(url)} -> ${ok}`, () => {
    const check = checkWeb(url, rules);
    assertEquals(check.ok, ok);
    if (check.ok) {
      assertEquals(check.url, url_kept ?? new URL(url).href);
      assert(ALLOWED.test(new URL(check.url).hostname));
    }
  });
}

for (const { url, ok, url_kept } of cases.app as { url: string; ok: boolean; url_kept?: string }[]) {
  Deno.test(`checkApp(): ${JSON.stringify(url)} -> ${ok}`, () => {
    const check = checkApp(url, rules);
    assertEquals(check.ok, ok);
    if (check.ok) assertEquals(check.url, url_kept ?? url);
  });
}

/** Where a browser that is on an innocent page would go by this header. */
function destination(location: string): URL {
  // Fetch's algorithm: the value as bytes, parsed against the address of the redirect.
  return new URL(location, "https://links.example.net/demo2345");
}

/** Fails unless a browser ends up where links may lead. */
function assertSafe(location: string): void {
  new Headers({ location }); // throws for what would end the header
  assert(/^[\x21-\x7e]+$/.test(location), location);
  const url = destination(location);
  if (url.protocol === "intent:") {
    const [, scheme] = /#Intent;scheme=([^;]*);/.exec(location)!;
    const fallback = /;S\.browser_fallback_url=([^;]*);/.exec(location)?.[1];
    // Android looks for the last "#", others for the first "#Intent;": it is one and the same.
    assertEquals(location.lastIndexOf("#"), location.toLowerCase().indexOf("#intent;"), location);
    if (fallback !== undefined) assertSafe(decodeURIComponent(fallback));
    if (scheme !== "myapp") assertSafe(`${scheme}://${location.slice("intent://".length)}`);
    return;
  }
  if (url.protocol === "myapp:") return;
  assertEquals(url.protocol, "https:", location);
  assertEquals([url.username, url.password], ["", ""], location);
  if (url.hostname === "wa.me") assertEquals(url.pathname, "/12025550100", location);
  else assert(ALLOWED.test(url.hostname), location);
}

const tricky = fc.oneof(
  fc.constantFrom(...cases.web.map(({ url }) => url), ...cases.app.map(({ url }) => url)),
  fc.webUrl(),
  fc.string({ unit: "binary" }),
  fc.tuple(
    fc.constantFrom(
      "https://",
      "https:",
      "//",
      "/\\",
      "\\\\",
      "http://",
      "javascript:",
      "myapp://",
      "HTTPS://",
      "intent://",
    ),
    fc.constantFrom(
      "www.example.com",
      "evil.test",
      "www.example.com@",
      "www.example.com:",
      "a.shop.example",
      "",
    ),
    fc.constantFrom("", "/", "\\", "#", "?", "@", ":", ";", "%2f", "%00", "\t", "\n", "\u3002", ".", "%40"),
    fc.constantFrom(
      "",
      "evil.test",
      "@evil.test/",
      "//evil.test",
      "?next=https://evil.test",
      "#Intent;scheme=javascript;end",
    ),
  ).map((parts) => parts.join("")),
);

const place: fc.Arbitrary<Target> = fc.oneof(
  tricky.map((url) => ({ url })),
  tricky.map((store) => ({ store })),
  fc.record({
    url: tricky,
    package: fc.option(
      fc.constantFrom("com.example.app", "com.evil.app", "a;S.browser_fallback_url=https://evil.test;"),
      { nil: undefined },
    ),
    fallback: fc.option(tricky, { nil: undefined }),
  }).map((app) => ({ app })),
  fc.string({ unit: "grapheme" }).map((text) => ({ whatsapp: { phone_number_id: "1065", text } })),
);

const row: fc.Arbitrary<Partial<LinkRow>> = fc.record({
  default_url: fc.option(tricky, { nil: undefined }),
  expired_url: fc.option(tricky, { nil: undefined }),
  targets: fc.array(place, { maxLength: 3 }),
  utm: fc.option(fc.record({ source: fc.string({ unit: "grapheme" }), campaign: tricky }), {
    nil: undefined,
  }),
  pass_query: fc.boolean(),
  state: fc.constantFrom("active", "disabled"),
});

const visit = fc.record({
  query: fc.oneof(
    fc.webQueryParameters(),
    fc.string({ unit: "binary" }),
    tricky.map((url) => `url=${url}&next=${encodeURIComponent(url)}`),
    tricky,
  ),
  agent: fc.constantFrom(...Object.values(AGENTS)),
});

Deno.test("no stored or passed-through input leads a browser where links may not lead", () => {
  let tried = 0, sent = 0;
  holds(
    fc.property(row, visit, fc.boolean(), (row, { query, agent }, withToken) => {
      tried++;
      const link = linkOf(row);
      const from = visitOf({ headers: { "user-agent": agent }, query });
      const decision = resolve(link, from, rules, false);
      if (!("target" in decision)) return;
      const { location, otherwise } = placeOf(
        decision.target,
        link,
        from,
        rules,
        withToken ? "abcdefgh234567ab" : undefined,
      );
      sent++;
      assertSafe(location);
      if (otherwise !== undefined) assertSafe(otherwise);
    }),
    { cases: 20_000 },
  );
  assert(sent > tried / 20, `only ${sent} of ${tried} visits were sent anywhere: the property says little`);
});

/** Addresses in the letters of any script, as people write them, and as browsers send them. */
const encoded: [given: string, kept: string][] = [
  ["https://www.example.com/#überblick", "https://www.example.com/#%C3%BCberblick"],
  ["https://www.example.com/überblick", "https://www.example.com/%C3%BCberblick"],
  ["https://www.example.com/?q=größe#maß", "https://www.example.com/?q=gr%C3%B6%C3%9Fe#ma%C3%9F"],
  ["https://www.example.com/商品#价格", "https://www.example.com/%E5%95%86%E5%93%81#%E4%BB%B7%E6%A0%BC"],
  ["https://www.example.com/#مرحبا", "https://www.example.com/#%D9%85%D8%B1%D8%AD%D8%A8%D8%A7"],
  ["https://www.example.com/#/ä?b=ö", "https://www.example.com/#/%C3%A4?b=%C3%B6"],
  ["https://www.example.com/#%C3%BC", "https://www.example.com/#%C3%BC"],
  ["https://www.example.com/#a%20b'c", "https://www.example.com/#a%20b'c"],
];
for (const [given, kept] of encoded) {
  Deno.test(`checkWeb(): ${given} is kept as ${kept}`, () => {
    assertEquals(checkWeb(given, rules), { ok: true, url: kept });
  });
}

Deno.test("checkWeb(): a stored address is accepted again, unchanged", () => {
  holds(fc.property(tricky, (url) => {
    const check = checkWeb(url, rules);
    if (check.ok) assertEquals(checkWeb(check.url, rules), check);
  }));
  // What is not ASCII takes up to nine times the room: what would not be allowed again is refused at once.
  const sign = fc.constantFrom("ह", "é", "a", "%", "😀");
  holds(fc.property(sign, fc.integer({ min: 1, max: 1990 }), fc.boolean(), (sign, length, after) => {
    const check = checkWeb(`https://www.example.com/${after ? "#" : ""}${sign.repeat(length)}`, rules);
    if (check.ok) assertEquals(checkWeb(check.url, rules), check);
  }));
});

Deno.test("withQuery() passes on the visit's parameters and keeps the address's own", () => {
  const cases = [
    ["https://www.example.com/", "a=1&b=2", "https://www.example.com/?a=1&b=2"],
    ["https://www.example.com/?a=0", "a=1&b=2", "https://www.example.com/?a=0&b=2"],
    ["https://www.example.com/#top", "a=1", "https://www.example.com/?a=1#top"],
    ["https://www.example.com/?x=1#top", "a=%C3%A4%26", "https://www.example.com/?x=1&a=%C3%A4%26#top"],
    ["https://www.example.com/", "explain=1&gl_sig=0&gl_open=1", "https://www.example.com/"],
    // Mail tools have a parameter of that name.
    ["https://www.example.com/", "u=me&id=5", "https://www.example.com/?u=me&id=5"],
    // As it came: another program's signature may be over these very bytes.
    [
      "https://www.example.com/",
      "a=b%20c+d&e=%c3%a4&f&g=a/b:c,d",
      "https://www.example.com/?a=b%20c+d&e=%c3%a4&f&g=a/b:c,d",
    ],
    ["https://www.example.com/", 'a="<x>', "https://www.example.com/?a=%22%3Cx%3E"],
    ["https://www.example.com/?", "&&a=1&", "https://www.example.com/?a=1"],
    ["https://www.example.com/", "", "https://www.example.com/"],
    ["https://www.example.com/", "a=1&a=2", "https://www.example.com/?a=1&a=2"],
  ];
  for (const [url, query, expected] of cases) assertEquals(withQuery(url, query), expected);
});

Deno.test("withParams() leaves out what would make an address too long", () => {
  const url = "https://www.example.com/";
  assertEquals(withParams(url, [["a", "x".repeat(10_000)]]), url);
});

Deno.test("intentUrl() contains app, package and fallback", () => {
  assertEquals(
    intentUrl("myapp://product/1?a=b", "com.example.app", "https://www.example.com/?x=1;y"),
    "intent://product/1?a=b#Intent;scheme=myapp;package=com.example.app;S.browser_fallback_url=https%3A%2F%2Fwww.example.com%2F%3Fx%3D1%3By;end",
  );
  assertEquals(
    intentUrl("https://www.example.com/p#x", "com.example.app", undefined),
    "intent://www.example.com/p#x#Intent;scheme=https;package=com.example.app;end",
  );
  // Nothing within it is taken for its end.
  assertEquals(
    intentUrl("https://www.example.com/#Intent;package=com.evil;end", "com.example.app", undefined),
    "intent://www.example.com/%23Intent;package=com.evil;end#Intent;scheme=https;package=com.example.app;end",
  );
});

Deno.test("chatAddress(): text and token in any language and position", () => {
  const read = (text: string, template: string, token = "abcdefgh234567ab") => {
    const { head, tail, plain } = chatAddress("12025550100", text, template);
    const said = (url: string) => new URL(url).searchParams.get("text");
    return [said(head + token + tail), said(plain)];
  };
  assertEquals(read("Hallo!", "{text}\n\n{ref}"), ["Hallo!\n\n[ref:abcdefgh234567ab]", "Hallo!"]);
  assertEquals(read("", "{text}\n\n{ref}"), ["[ref:abcdefgh234567ab]", null]);
  assertEquals(read("مرحبا & привет", "{text} {ref}"), [
    "مرحبا & привет [ref:abcdefgh234567ab]",
    "مرحبا & привет",
  ]);
  assertEquals(read("Code {ref}, bitte", "{text} {ref}"), [
    "Code [ref:abcdefgh234567ab], bitte",
    "Code, bitte",
  ]);
  assertEquals(read("$& {text}", "{ref} {text}"), ["[ref:abcdefgh234567ab] $& {text}", "$& {text}"]);
});
