/** Visits that are guessed at wrongly, or lead nowhere, have a way on. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { ANDROID, IPHONE, type Links, linksTest, NUMBER } from "../support/links.ts";
import { IN_APP_AGENTS } from "../support/in_app_agents.ts";

const HOME = "https://www.example.com/";
const HTML = { LINK_HTML: "true" };
const BROWSER = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
const MAC =
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_6) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/14.0 Safari/605.1.15";
const CHROME_MAC =
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
const FB_ANDROID = IN_APP_AGENTS.find(([app, platform]) => app === "facebook" && platform === "android")![2];
const INSTAGRAM_IOS = IN_APP_AGENTS[0][2];

/** Addresses that a page offers, and whether it has a form. */
async function offered(answer: Response): Promise<string[]> {
  const html = await answer.text();
  assertMatch(answer.headers.get("content-type") ?? "", /^text\/html/);
  return [...html.matchAll(/href="([^"]*)"/g)].map(([, href]) =>
    href.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code))
  );
}

const location = async (answer: Promise<Response>) => (await answer).headers.get("location");

async function allowApps(links: Links): Promise<void> {
  await links.set("deeplinks.app_schemes", "exapp");
  await links.set(
    "deeplinks.apps",
    JSON.stringify({ android: [{ package: "com.example.app", sha256: [Array(32).fill("AB").join(":")] }] }),
  );
}

linksTest(
  "an iPad that presents itself as a Mac is asked for its platform, if that matters",
  async (links) => {
    const parted = await links.link({
      default_url: `${HOME}desktop`,
      targets: [{ when: { platform: "ios" }, url: `${HOME}ios` }],
    });
    const page = await links.visit(parted, { "user-agent": MAC }, "?src=qr");
    assertEquals(page.status, 200);
    const ways = await offered(page);
    assertEquals(ways, ["?src=qr&gl_platform=ios", "?src=qr&gl_platform=macos"]);
    assertEquals(await location(links.visit(parted, { "user-agent": MAC }, ways[0])), `${HOME}ios`);
    assertEquals(await location(links.visit(parted, { "user-agent": MAC }, ways[1])), `${HOME}desktop`);
    // Nobody else is asked, and nobody else can say that it is one.
    assertEquals(await location(links.visit(parted)), `${HOME}ios`);
    assertEquals(await location(links.visit(parted, { "user-agent": CHROME_MAC })), `${HOME}desktop`);
    assertEquals(
      await location(links.visit(parted, { "user-agent": CHROME_MAC }, "?gl_platform=ios")),
      `${HOME}desktop`,
    );
    await links.flush();
    const clicks = await links.sql`select platform from clicks where code = ${parted} order by platform`;
    assertEquals(clicks.map(({ platform }) => platform), ["ios", "ios", "macos", "macos", "macos"]);

    const same = await links.link({
      default_url: HOME,
      targets: [{ when: { platform: "ios", country: "DE" }, url: `${HOME}ios` }, {
        when: { platform: "android" },
        url: `${HOME}a`,
      }],
    });
    assertEquals(await location(links.visit(same, { "user-agent": MAC })), HOME, "both go to the same place");
    const once = await links.link({
      default_url: `${HOME}desktop`,
      max_uses: 1,
      targets: [{ when: { platform: "ios" }, url: `${HOME}ios` }],
    });
    await (await links.visit(once, { "user-agent": MAC })).body?.cancel();
    assertEquals(await location(links.visit(once, { "user-agent": MAC }, "?gl_platform=ios")), `${HOME}ios`);
  },
  HTML,
);

linksTest(
  "where HTML cannot be served, such an iPad can still state its platform",
  async (links) => {
    const parted = await links.link({
      default_url: `${HOME}desktop`,
      pass_query: true,
      targets: [{ when: { platform: "ios" }, url: `${HOME}ios` }],
    });
    assertEquals(await location(links.visit(parted, { "user-agent": MAC })), `${HOME}desktop`);
    assertEquals(
      await location(links.visit(parted, { "user-agent": MAC }, "?gl_platform=ios")),
      `${HOME}ios`,
    );
  },
);

linksTest(
  "in an in-app browser an app's link is a page with several choices, each one tap",
  async (links) => {
    await allowApps(links);
    const scheme = await links.link({
      default_url: `${HOME}web`,
      targets: [{ app: { url: "exapp://p/7", package: "com.example.app" } }],
    });
    const own = `https://ref.example.co/functions/v1/deeplinks/${scheme}`;
    const android = await offered(await links.visit(scheme, { "user-agent": FB_ANDROID }, "?a=1"));
    assertMatch(
      android[0],
      /^intent:\/\/p\/7\?gl_token=[a-z2-7]{16}#Intent;scheme=exapp;package=com\.example\.app;S\./,
    );
    assertEquals(android.slice(1), [
      `intent://${
        own.slice("https://".length)
      }?a=1#Intent;scheme=https;action=android.intent.action.VIEW;category=android.intent.category.BROWSABLE;end`,
      `${HOME}web`,
    ]);
    const ios = await offered(await links.visit(scheme, { "user-agent": INSTAGRAM_IOS }));
    assertMatch(ios[0], /^exapp:\/\/p\/7\?gl_token=/);
    assertEquals(ios.slice(1), [`x-safari-${own}`, `${HOME}web`]);

    // What can be used once is not visited again, but its page is opened.
    const once = await links.link({
      default_url: `${HOME}web`,
      max_uses: 1,
      targets: [{ app: { url: `${HOME}p/7`, package: "com.example.app" } }],
    });
    const universal = await offered(await links.visit(once, { "user-agent": INSTAGRAM_IOS }));
    assertMatch(universal[0], /^https:\/\/www\.example\.com\/p\/7\?gl_token=/);
    assertEquals(universal.slice(1), [`x-safari-${universal[0]}`]);
    const { status, headers, body } = await links.visit(scheme);
    assertEquals(
      [status, headers.get("content-type")],
      [200, "text/html; charset=utf-8"],
      "elsewhere it is tried",
    );
    await body?.cancel();
  },
  HTML,
);

linksTest(
  "in an in-app browser, where HTML cannot be served, the visit goes to a page it can show",
  async (links) => {
    await allowApps(links);
    const scheme = await links.link({
      default_url: `${HOME}web`,
      targets: [{ app: { url: "exapp://p/7", package: "com.example.app" } }],
    });
    const universal = await links.link({
      default_url: `${HOME}web`,
      targets: [{ app: { url: `${HOME}p/7`, package: "com.example.app" } }],
    });
    for (const agent of [FB_ANDROID, INSTAGRAM_IOS]) {
      assertEquals(await location(links.visit(scheme, { "user-agent": agent })), `${HOME}web`);
      assertMatch(
        (await location(links.visit(universal, { "user-agent": agent })))!,
        /^https:\/\/www\.example\.com\/p\/7\?gl_token=/,
      );
    }
    assertMatch((await location(links.visit(scheme, { "user-agent": ANDROID })))!, /^intent:/);
  },
);

linksTest(
  "an app's own program gets the app's own address and a token, by the platform that it has or states",
  async (links) => {
    await allowApps(links);
    const url = `${HOME}p/7`;
    const code = await links.link({
      default_url: `${HOME}web`,
      targets: [
        { when: { platform: "android" }, app: { url, package: "com.example.app" } },
        { when: { platform: "ios" }, app: { url } },
      ],
    });
    const programs: [ua: string, query: string, because: number | "default"][] = [
      ["Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UQ1A.240205.002)", "", 0],
      ["okhttp/4.12.0", "?platform=android", 0],
      ["Dart/3.4 (dart:io)", "?platform=ios", 1],
      ["ExampleApp/241 CFNetwork/1494.0.7 Darwin/23.4.0", "?platform=ios", 1],
      ["okhttp/4.12.0", "", "default"],
    ];
    for (const [ua, query, because] of programs) {
      const headers = { accept: "application/json", "user-agent": ua };
      const told = await (await links.visit(code, headers, query)).json();
      assertEquals(told.because, because, ua);
      if (because === "default") assertEquals([told.url, told.token], [`${HOME}web`, undefined], ua);
      else assertEquals([told.kind, told.url], ["app", `${url}?gl_token=${told.token}`], ua);
    }
    await links.flush();
    const [{ n }] = await links
      .sql`select count(*)::int as n from clicks where code = ${code} and verdict = 'human'`;
    assertEquals(n, programs.length);
  },
);

linksTest(
  "a path after a code leads nowhere by itself, and its page has the code filled in",
  async (links) => {
    const code = await links.link({ default_url: HOME, pass_query: true });
    assertEquals((await links.visit(`${code}/products/7`)).status, 404);
    const page = await links.visit(`${code}/products/7`, BROWSER);
    assertEquals([page.status, (await page.text()).includes(`value="${code}"`)], [404, true]);
  },
  HTML,
);

linksTest("an app without a fallback falls back to the link's chat", async (links) => {
  await allowApps(links);
  const chat = await links.link({
    whatsapp: { phone_number_id: NUMBER.id, text: "Hi" },
    targets: [{ app: { url: "exapp://p/7" } }],
  });
  const ways = await offered(await links.visit(chat));
  assertMatch(ways[1], /^https:\/\/wa\.me\/12025550100\?text=Hi%0A%0A%5Bref%3A[a-z2-7]{16}%5D$/);
}, HTML);

linksTest("rules can match the in-app browser", async (links) => {
  const code = await links.link({
    default_url: HOME,
    targets: [
      { when: { in_app: ["instagram", "tiktok"] }, url: `${HOME}social` },
      { when: { in_app: true }, url: `${HOME}app` },
    ],
  });
  for (const [app, , agent] of IN_APP_AGENTS) {
    const wanted = app === "instagram" || app === "tiktok" ? `${HOME}social` : `${HOME}app`;
    assertEquals(await location(links.visit(code, { "user-agent": agent })), wanted, agent);
  }
  assertEquals(await location(links.visit(code)), HOME);
  const unknown = await links.call("", {
    method: "POST",
    body: { default_url: HOME, targets: [{ when: { in_app: "bebo" }, url: HOME }] },
  });
  assertEquals(unknown.status, 422);
});

linksTest(
  "the root, unknown and expired addresses are pages in the visitor's language, with a way home",
  async (links) => {
    const past = new Date(Date.now() - 60_000).toISOString();
    const ended = await links.link({ default_url: HOME, expires_at: past });
    const paths: [string, number, RegExp][] = [
      ["", 200, /<html lang="pt">.*Este endereço contém links/],
      ["/nosuchcode", 404, /<html lang="pt">.*Este link não existe/],
      [`/${ended}`, 410, /<html lang="pt">.*Este link expirou/],
      ["/a/b/c", 404, /<html lang="pt">.*Esta página não existe/],
      ["/favicon.ico", 404, /Este link não existe/],
    ];
    const headers = { ...BROWSER, "accept-language": "pt-BR,pt;q=0.9", "user-agent": IPHONE };
    const read = (path: string, more: Record<string, string> = {}) =>
      links.call(path, { open: true, headers: { ...headers, ...more } });
    for (const [path, status, words] of paths) {
      const answer = await read(path);
      assertEquals(
        [answer.status, answer.headers.get("content-type")],
        [status, "text/html; charset=utf-8"],
        path,
      );
      assertMatch(answer.body, words);
    }
    await links.set("deeplinks.home_url", `${HOME}start`);
    for (const [path, status] of paths.slice(1)) {
      const answer = await read(path);
      assertEquals(answer.status, status);
      assertMatch(
        answer.body,
        /<a rel="nofollow" href="https:\/\/www\.example\.com\/start">Ir para a página inicial</,
      );
    }
    const root = await read("");
    assertEquals([root.status, root.headers.get("location")], [302, `${HOME}start`]);
    // Programs are answered as before.
    assertEquals((await links.call("/nosuchcode", { open: true })).body.code, "link_not_found");
    assertEquals((await links.call("", { open: true })).status, 401);
    assertEquals((await links.call("", { headers: BROWSER })).status, 200, "a key lists links");
    assertEquals((await read("/nosuchcode", { accept: "application/json" })).body.code, "link_not_found");
    // The team's page has to be one that links may lead to, and none of ours.
    for (
      const url of ["https://evil.example.org/", "https://ref.example.co/functions/v1/deeplinks/", "nonsense"]
    ) {
      await links.set("deeplinks.home_url", url);
      assertEquals((await read("")).status, 200, url);
      assert(!(await read("/nosuchcode")).body.includes("href="), url);
    }
  },
  HTML,
);

/** The ways on that a page offers: its addresses, and the code in its field. */
async function waysOn(links: Links, path: string, headers: Record<string, string> = {}) {
  const { body } = await links.call(path, {
    open: true,
    headers: { ...BROWSER, "user-agent": IPHONE, ...headers },
  });
  const [, action, code] = /<form action="([^"]*)">.*?<input name="code" value="([^"]*)"/.exec(body) ?? [];
  return { hrefs: [...body.matchAll(/href="([^"]*)"/g)].map(([, href]) => href), action, code };
}

linksTest("without the team's home page no page is a dead end either", async (links) => {
  const root = "https://ref.example.co/functions/v1/deeplinks/";
  const expires_at = "2026-01-01T00:00:00Z";
  const chat = { phone_number_id: NUMBER.id, text: "Hi" };
  await links.allow("play.google.com");
  const store = "https://play.google.com/store/apps/details?id=com.example.app";
  const ended = {
    site: await links.link({ default_url: `${HOME}sale?x=1`, expires_at }),
    chat: await links.link({ whatsapp: chat, expires_at }),
    store: await links.link({ default_url: store, expires_at }),
    hidden: await links.link({ default_url: HOME, password: "open sesame", expires_at }),
    used: await links.link({ default_url: HOME, max_uses: 1 }),
    deleted: await links.link({ default_url: HOME }),
    off: await links.link({ default_url: HOME }),
    later: await links.link({ default_url: HOME, starts_at: "2999-01-01T00:00:00Z" }),
    blocked: await links.link({ default_url: HOME }),
  };
  await (await links.visit(ended.used)).body?.cancel();
  await links.call(`/${ended.deleted}`, { method: "DELETE" });
  await links.call(`/${ended.off}`, { method: "PATCH", body: { state: "disabled" } });
  await links.call(`/${ended.blocked}`, { method: "PATCH", body: { state: "blocked" } });
  const none = { action: undefined, code: undefined };
  const field = (code: string) => ({ hrefs: [], action: root, code });
  const expected: [string, object][] = [
    ["", field("")],
    ["/NoSuchCode", field("nosuchcode")],
    ["/favicon.ico", field("")],
    ["/Spring-24/products/7", field("spring-24")],
    ["/.well-known/x/y", field("")],
    [`/${ended.site}`, { hrefs: [HOME], ...none }],
    [`/${ended.chat}`, { hrefs: ["https://wa.me/12025550100"], ...none }],
    [`/${ended.store}`, field(ended.store)],
    [`/${ended.hidden}`, field(ended.hidden)],
    [`/${ended.used}`, { hrefs: [HOME], ...none }],
    [`/${ended.deleted}`, { hrefs: [HOME], ...none }],
    [`/${ended.off}`, { hrefs: [""], ...none }],
    [`/${ended.later}`, { hrefs: [""], ...none }],
    [`/${ended.blocked}`, field(ended.blocked)],
  ];
  for (const [path, ways] of expected) assertEquals(await waysOn(links, path), ways as never, path);
  // Where the site is not allowed any more, it is not offered.
  await links.sql`delete from destination_allowlist`;
  await links.refresh();
  assertEquals(await waysOn(links, `/${ended.site}`), field(ended.site) as never);
}, HTML);

linksTest("a typed code leads to its link, in any spelling", async (links) => {
  const code = await links.link({ default_url: HOME, code: "spring-24" });
  const go = (typed: string) =>
    links.call(`/?code=${encodeURIComponent(typed)}`, { open: true, headers: BROWSER });
  const url = `https://ref.example.co/functions/v1/deeplinks/${code}`;
  for (
    const typed of [
      code,
      " Spring-24 ",
      url,
      `${url}/?src=qr`,
      "go.example.com/spring-24",
      "“spring-24”.",
      "ｓｐｒｉｎｇ-24",
      "spring-24 is our offer",
    ]
  ) {
    const { status, headers } = await go(typed);
    assertEquals([status, headers.get("location")], [302, url], typed);
  }
  for (const typed of ["", "ü", "/", "?code=x"]) {
    const { status, body } = await go(typed);
    assertEquals(status, 404, typed);
    assertMatch(body, /<form /);
  }
  // The team's page is no obstacle.
  await links.set("deeplinks.home_url", `${HOME}start`);
  assertEquals((await go(code)).headers.get("location"), url);
  assertEquals((await links.call(`?code=${code}`)).body.links.length, 1, "with a key it is a filter");
}, HTML);

linksTest("an address that has no page is refused with the correct one", async (links) => {
  const post = (body: object) => links.call("", { method: "POST", body });
  const mail = "mailto:sales@example.com?subject=Hi";
  for (const url of [mail, "tel:+12025550100", "exapp://p/7", "market://details?id=com.example.app"]) {
    const { status, body } = await post({ default_url: url });
    assertEquals([status, body.code], [422, "url_not_allowed"], url);
    assertMatch(body.detail, /scheme (mailto|tel|exapp|market); .*target's "app"/, url);
  }
  assertMatch((await post({ default_url: "http://www.example.com/" })).body.detail, /is http, not https/);
  assertMatch((await post({ default_url: "www.example.com:443/a" })).body.detail, /not written in full/);
  // And that way is one.
  await links.set("deeplinks.app_schemes", "mailto, tel");
  const code = await links.link({ default_url: HOME, targets: [{ app: { url: mail } }] });
  assertEquals(await location(links.visit(code)), mail);
  assertEquals(await location(links.visit(code, { "user-agent": INSTAGRAM_IOS })), HOME);
});

linksTest("where HTML cannot be served, people are redirected to the team's page", async (links) => {
  const ended = await links.link({ default_url: HOME, expires_at: "2026-01-01T00:00:00Z" });
  const paths = ["", "/nosuchcode", `/${ended}`];
  const go = (path: string) =>
    links.call(path, { open: true, headers: { ...BROWSER, "user-agent": IPHONE } });
  assertEquals((await go("")).status, 401);
  assertEquals((await go("/nosuchcode")).status, 404);
  await links.set("deeplinks.home_url", `${HOME}start`);
  for (const path of paths) {
    const answer = await go(path);
    assertEquals([answer.status, answer.headers.get("location")], [302, `${HOME}start`], path);
  }
  assertEquals((await links.call("/nosuchcode", { open: true })).status, 404);
});

linksTest("while the database is unavailable, people are asked to try again", async (links) => {
  links.away = true;
  const answer = await links.visit("unread", { ...BROWSER });
  assertEquals([answer.status, answer.headers.get("content-type")], [503, "text/html; charset=utf-8"]);
  assertMatch(await answer.text(), /cannot be opened right now.*href="">Try again/);
  links.away = false;
}, HTML);
