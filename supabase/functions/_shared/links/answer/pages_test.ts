import { assert, assertEquals } from "../../../../../tests/support/assert.ts";
import fc from "fast-check";
import { appleAppSiteAssociation, assetLinks } from "../model/domain.ts";
import { appPage, escapeHtml, passwordPage, previewPage } from "./pages.ts";
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

Deno.test("pages: what is put in adds no element and no attribute", () => {
  const plain = elements(previewPage({ title: "a", description: "b", image: "c" }, "d", "?e", "n").html);
  const plainApp = elements(appPage("myapp://x", "https://www.example.com/", "n").html);
  holds(fc.property(nasty, nasty, nasty, (a, b, c) => {
    assertEquals(elements(previewPage({ title: a, description: b, image: c }, a, b, "n").html), plain);
    const { html } = appPage(a, b, "n");
    assertEquals(elements(html), plainApp);
    const script = /<script nonce="n">(.*)<\/script>/s.exec(html)![1];
    assertEquals(/location\.replace\((".*?[^\\]"|"")\)/s.test(script), true, script);
  }));
});

Deno.test("appPage(): its script opens what it is given", () => {
  const script = /<script nonce="n">(.*)<\/script>/s.exec(
    appPage('myapp://a"b', "https://www.example.com/?a=1&b=2", "n").html,
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
  const document = {
    hidden: false,
    addEventListener: (name: string, then: () => void) => listeners[name] = then,
  };
  const cleared: unknown[] = [];
  new Function("location", "document", "setTimeout", "clearTimeout", "addEventListener", script)(
    location,
    document,
    (then: () => void, ms: number) => timers.push([then, ms]),
    (id: unknown) => cleared.push(id),
    (name: string, then: () => void) => listeners[name] = then,
  );
  assertEquals(gone, ['myapp://a"b']);
  assertEquals(timers[0][1], 1500);
  document.hidden = true;
  listeners.visibilitychange();
  assertEquals(cleared.length, 1, "the timer is called off when the app comes up");
  timers[0][0]();
  assertEquals(gone[1], "https://www.example.com/?a=1&b=2");
});

Deno.test("passwordPage(): posts to where it is, and says when the password was wrong", () => {
  const { html, policy } = passwordPage(true, "n");
  assert(html.includes('method="post"') && !html.includes("action="));
  assert(html.includes('role="alert"') && !passwordPage(false, "n").html.includes('role="alert"'));
  // A form-action would keep browsers from following the redirect to where the link leads.
  assert(!policy.includes("form-action") && policy.includes("default-src 'none'"));
  assert(previewPage({}, "", "?gl_open=1", "n").policy.includes("form-action 'none'"));
});

Deno.test("escapeHtml() leaves nothing that ends a text or an attribute", () => {
  assertEquals(escapeHtml(`<a href="x" id='y'>&`), "&#60;a href=&#34;x&#34; id=&#39;y&#39;&#62;&#38;");
});

Deno.test("the link domain's files name the team's apps as Apple and Google want it", async () => {
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

Deno.test("readRules(): schemes that browsers run by themselves are never an app's", async () => {
  const { schemes } = await rulesOf({
    "deeplinks.app_schemes": "myapp, JAVASCRIPT\ndata,https intent other-app x! ",
  });
  assertEquals([...schemes], ["myapp", "other-app"]);
});
