import { assert, assertEquals } from "../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { appleAppSiteAssociation, assetLinks } from "../model/domain.ts";
import { escapeHtml, type Page } from "./page.ts";
import {
  appPage,
  confirmPage,
  inAppPage,
  passwordPage,
  previewPage,
  refusalPage,
  touchPage,
} from "./pages.ts";
import { wordsFor } from "./page_words.ts";
import { rulesOf } from "../../../../../tests/support/links_samples.ts";
import { holds } from "../../../../../tests/support/property.ts";

const nasty = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom(
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onload='x",
    "\u2028",
    "<!--",
    "]]>",
  ),
);

/** Elements that a page has, by name; what is put in must add none. */
const elements = (html: string) =>
  [...html.matchAll(/<([a-z!/][^\s>]*)/gi)].map(([, name]) => name.toLowerCase());

const EN = wordsFor(null);

/** Each page with these texts and addresses put in. */
function pagesWith(a: string, b: string, c: string): Record<string, Page> {
  return {
    preview: previewPage({ title: a, description: b, image: c }, a, b, EN, "n"),
    app: appPage(a, b, EN, "n"),
    inApp: inAppPage({ app: a, browser: b, here: c }, EN, "n"),
    touch: touchPage(a, b, EN, "n"),
    confirm: confirmPage({ title: a, description: b }, EN, "n"),
    refusal: refusalPage([a, b], { goOn: { url: c, text: a }, field: { action: b, code: c } }, EN, "n"),
  };
}

Deno.test("pages: inserted texts add no element and no attribute", () => {
  const plain = Object.entries(pagesWith("a", "b", "c"));
  holds(fc.property(nasty, nasty, nasty, (a, b, c) => {
    const nasties = pagesWith(a, b, c);
    for (const [name, { html }] of plain) assertEquals(elements(nasties[name].html), elements(html), name);
    const script = /<script nonce="n">(.*)<\/script>/s.exec(nasties.app.html)![1];
    assertEquals(/location\.replace\((".*?[^\\]"|"")\)/s.test(script), true, script);
  }));
});

Deno.test("pages: each has a way on, in every language", () => {
  for (const language of ["de", "en", "es", "fr", "it", "pt"]) {
    const say = wordsFor(language);
    assertEquals(say.lang, language);
    const pages = [
      previewPage({}, "u", "?gl_open=1", say, "n"),
      appPage("myapp://x", "https://www.example.com/", say, "n"),
      inAppPage({ app: "myapp://x", browser: undefined, here: undefined }, say, "n"),
      touchPage("?a", "?b", say, "n"),
      confirmPage({}, say, "n"),
      passwordPage(false, say, "n"),
      refusalPage(
        say.refused.link_expired,
        { goOn: { url: "https://www.example.com/", text: say.home } },
        say,
        "n",
      ),
      refusalPage(
        say.refused.link_not_found,
        { field: { action: "https://go.example.com/", code: "" } },
        say,
        "n",
      ),
    ];
    for (const { html } of pages) {
      assert(html.includes(`<html lang="${language}">`) && /<a [^>]*href="[^"]|<button/.test(html), html);
    }
  }
  assertEquals(wordsFor("pt-BR,en;q=0.5").lang, "pt");
  assertEquals(wordsFor("xx").lang, "en");
  assertEquals(wordsFor("nl,de;q=0.8,en;q=0.7").lang, "de", "the next language, before English");
  assertEquals(wordsFor("fra-CA").lang, "fr");
});

/** Runs the script of an app's page: where it went, its timers, and what listens. */
function runAppPage() {
  const script = /<script nonce="n">(.*)<\/script>/s.exec(
    appPage('myapp://a"b', "https://www.example.com/?a=1&b=2", EN, "n").html,
  )![1];
  const gone: string[] = [];
  const timers: [() => void, number][] = [];
  const listeners: Record<string, () => void> = {};
  const location = {
    set href(url: string) {
      gone.push(url);
    },
    replace: (url: string) => gone.push(url),
  };
  const listen = (name: string, then: () => void) => listeners[name] = then;
  const document = { hidden: false, addEventListener: listen };
  const cleared: unknown[] = [];
  const clock = { now: 0 };
  new Function("location", "document", "setTimeout", "clearTimeout", "addEventListener", "Date", script)(
    location,
    document,
    (then: () => void, ms: number) => timers.push([then, ms]),
    (id: unknown) => cleared.push(id),
    listen,
    { now: () => clock.now },
  );
  return { gone, timers, listeners, document, cleared, clock };
}

Deno.test("appPage(): its script opens the given address, and the fallback if nothing happens", () => {
  const { gone, timers, clock } = runAppPage();
  assertEquals(gone, ['myapp://a"b']);
  assertEquals(timers[0][1], 1500);
  clock.now = 1600;
  timers[0][0]();
  assertEquals(gone[1], "https://www.example.com/?a=1&b=2");
});

Deno.test("appPage(): the fallback does not open once the app does, or while the browser asks for permission", () => {
  for (const event of ["visibilitychange", "pagehide", "blur"]) {
    const { document, listeners, cleared } = runAppPage();
    document.hidden = true;
    listeners[event]();
    assertEquals(cleared.length, 1, event);
  }
  // A dialog that raises no event holds up the page's timers.
  const { gone, timers, clock } = runAppPage();
  clock.now = 9000;
  timers[0][0]();
  assertEquals(gone, ['myapp://a"b']);
});

Deno.test("passwordPage(): posts to its own address, and says when the password was wrong", () => {
  const { html, policy } = passwordPage(true, EN, "n");
  assert(html.includes('method="post"') && !html.includes("action="));
  assert(html.includes('role="alert"') && !passwordPage(false, EN, "n").html.includes('role="alert"'));
  // A form-action would keep browsers from following the redirect to where the link leads.
  assert(!policy.includes("form-action") && policy.includes("default-src 'none'"));
  assert(previewPage({}, "", "?gl_open=1", EN, "n").policy.includes("form-action 'none'"));
});

Deno.test("escapeHtml() leaves nothing that ends a text or an attribute", () => {
  assertEquals(escapeHtml(`<a href="x" id='y'>&`), "&#60;a href=&#34;x&#34; id=&#39;y&#39;&#62;&#38;");
});

Deno.test("the link domain's files name the team's apps as Apple and Google require", async () => {
  const { apps } = await rulesOf({
    "deeplinks.apps": JSON.stringify({
      ios: [{ app_id: "ABCDE12345.com.example.app", paths: ["/a/*", "!/a/b"] }, { app_id: "short.x" }],
      android: [
        { package: "com.example.app", sha256: [Array(32).fill("ab").join(":")] },
        { package: "com.example.other", sha256: "zz" },
        { package: "no package" },
      ],
    }),
  });
  assertEquals(appleAppSiteAssociation(apps), {
    applinks: {
      details: [{
        appIDs: ["ABCDE12345.com.example.app"],
        components: [{ "/": "/a/*" }, { "/": "/a/b", exclude: true }],
      }],
    },
  });
  assertEquals(assetLinks(apps), [
    {
      relation: ["delegate_permission/common.handle_all_urls"],
      target: {
        namespace: "android_app",
        package_name: "com.example.app",
        sha256_cert_fingerprints: [Array(32).fill("AB").join(":")],
      },
    },
    {
      relation: ["delegate_permission/common.handle_all_urls"],
      target: { namespace: "android_app", package_name: "com.example.other", sha256_cert_fingerprints: [] },
    },
  ]);
  for (const broken of ["", "null", "[]", '{"ios":3}', "{"]) {
    assertEquals((await rulesOf({ "deeplinks.apps": broken })).apps, { ios: [], android: [] });
  }
});

Deno.test("readRules(): schemes that browsers execute are never an app's", async () => {
  const { schemes } = await rulesOf({
    "deeplinks.app_schemes": "myapp, JAVASCRIPT\ndata,https intent other-app x! ",
  });
  assertEquals([...schemes], ["myapp", "other-app"]);
});
