import { assert, assertEquals } from "../../../../../tests/support/assert.ts";
import fc from "fast-check";
import type { LinkRow } from "../model/link.ts";
import { placeOf, wantsToken } from "./address.ts";
import { type Finding, needsVisitor, resolve } from "./resolve.ts";
import { IN_APP_AGENTS } from "../../../../../tests/support/in_app_agents.ts";
import { AGENTS, linkOf, rulesOf, visitOf, withFlags } from "../../../../../tests/support/links_samples.ts";
import { randomToken } from "../../crypto/tokens.ts";
import type { When } from "../../contract/links.ts";
import { holds } from "../../../../../tests/support/property.ts";

const rules = await rulesOf();
const HOME = "https://www.example.com/", SALE = "https://de.shop.example/sale";
const NOON = Date.UTC(2026, 10, 21, 12); // a Saturday

/** Where a link sends a visit, or why it does not. */
function outcome(
  row: Partial<LinkRow>,
  visit: Parameters<typeof visitOf>[0] = {},
  on = rules,
  killed = false,
): string {
  const link = linkOf(row), from = visitOf(visit);
  const decision = resolve(link, from, on, killed);
  if ("target" in decision) return placeOf(decision.target, link, from, on, undefined).location;
  return decision.outcome === "refuse" ? decision.code : decision.outcome;
}

const INSTAGRAM = IN_APP_AGENTS[0][2];
const agent = (name: keyof typeof AGENTS) => ({ headers: { "user-agent": AGENTS[name] } });

const conditions: [When, Parameters<typeof visitOf>[0], boolean][] = [
  [{}, {}, true],
  [{ platform: ["ios"] }, agent("iphone"), true],
  [{ platform: ["android"] }, agent("iphone"), false],
  [{ platform: ["android", "ios"] }, agent("android"), true],
  [{ platform: ["windows"] }, agent("windows"), true],
  [{ platform: ["macos"] }, agent("mac"), true],
  [{ platform: ["linux"] }, agent("linux"), true],
  [{ platform: ["other"] }, { headers: { "user-agent": "Mozilla/5.0 (PlayStation 5)" } }, true],
  [{ country: ["DE", "AT"] }, { headers: { "cf-ipcountry": "at" } }, true],
  [{ country: ["DE"] }, { headers: { "cf-ipcountry": "FR" } }, false],
  [{ country: ["DE"] }, {}, false],
  [{ country: ["XX"] }, { headers: { "cf-ipcountry": "XX" } }, false],
  [{ language: ["de"] }, { headers: { "accept-language": "de-AT,de;q=0.9,en;q=0.5" } }, true],
  [{ language: ["de"] }, { headers: { "accept-language": "en;q=0.8, de;q=0.9" } }, true],
  [{ language: ["de"] }, { headers: { "accept-language": "de;q=0.1, en" } }, false],
  [{ language: ["de"] }, { headers: { "accept-language": "de;q=0" } }, false],
  [{ language: ["de-at"] }, { headers: { "accept-language": "de-DE" } }, false],
  [{ language: ["de"] }, {}, false],
  [{ referrer: ["example.org"] }, { headers: { referer: "https://news.example.org/a?b" } }, true],
  [{ referrer: ["example.org"] }, { headers: { referer: "https://EXAMPLE.org" } }, true],
  [{ referrer: ["example.org"] }, { headers: { referer: "https://notexample.org/" } }, false],
  [{ referrer: ["example.org"] }, { headers: { referer: "https://evil.test/example.org" } }, false],
  [{ query: { src: ["poster"] } }, { query: "src=poster" }, true],
  [{ query: { src: ["poster", "flyer"] } }, { query: "a=1&src=flyer" }, true],
  [{ query: { src: true } }, { query: "src=" }, true],
  [{ query: { src: ["poster"] } }, { query: "src=Poster" }, false],
  [{ query: { src: ["poster"], a: ["1"] } }, { query: "src=poster" }, false],
  [{ date: { from: "2026-11-21T12:00:00.000Z" } }, { now: NOON }, true],
  [{ date: { from: "2026-11-21T12:00:00.001Z" } }, { now: NOON }, false],
  [{ date: { until: "2026-11-21T12:00:00.000Z" } }, { now: NOON }, false],
  [{ time: { days: ["sat"], from: "12:00", to: "13:00", zone: "UTC" } }, { now: NOON }, true],
  [{ time: { days: ["sat"], from: "12:00", to: "13:00", zone: "Europe/Berlin" } }, { now: NOON }, false],
  [
    { time: { days: ["sat"], from: "22:00", to: "06:00", zone: "UTC" } },
    { now: NOON + 15 * 3_600_000 },
    true,
  ],
  [{ visitor: "new" }, {}, true],
  [{ in_app: true }, {}, false],
  [{ in_app: false }, {}, true],
  [{ in_app: true }, { headers: { "user-agent": INSTAGRAM } }, true],
  [{ in_app: false }, { headers: { "user-agent": INSTAGRAM } }, false],
  [{ in_app: ["instagram", "line"] }, { headers: { "user-agent": INSTAGRAM } }, true],
  [{ in_app: ["line"] }, { headers: { "user-agent": INSTAGRAM } }, false],
  [{ visitor: "returning" }, {}, false],
  [
    { visitor: "returning" },
    { headers: { cookie: "a=b; gl_visitor=abcdefgh234567ab.0123456789abcdef" } },
    true,
  ],
  [{ visitor: "new" }, { headers: { cookie: "gl_visitor=abcdefgh234567ab.0123456789abcdef" } }, false],
  [{ platform: ["ios"], country: ["DE"] }, { headers: { "cf-ipcountry": "DE" } }, true],
  [{ platform: ["ios"], country: ["DE"] }, {}, false],
  [{ weight: 100 }, {}, true],
  [{ weight: 0 }, {}, false],
  [{ moon: "full" } as When, {}, false],
  [{ platform: 7 } as unknown as When, {}, false],
  [{ time: { days: ["sat"], from: "12:00", to: "13:00", zone: "Mars/Phobos" } }, { now: NOON }, false],
];
for (const [when, visit, holds] of conditions) {
  Deno.test(`resolve(): ${JSON.stringify(when)} of ${JSON.stringify(visit)} -> ${holds}`, () => {
    assertEquals(outcome({ targets: [{ when, url: SALE }] }, visit), holds ? SALE : HOME);
  });
}

Deno.test("resolve(): the first matching rule decides, then the chat, then the default", () => {
  const chat = { phone_number_id: "1065", text: "Hi" };
  const targets = [{ when: { platform: ["android" as const] }, url: SALE }, { when: {}, url: `${SALE}?2` }, {
    url: `${SALE}?3`,
  }];
  assertEquals(outcome({ targets }, agent("android")), SALE);
  assertEquals(outcome({ targets }), `${SALE}?2`);
  assertEquals(
    outcome({ targets: targets.slice(0, 1), whatsapp: chat }),
    "https://wa.me/12025550100?text=Hi",
  );
  assertEquals(outcome({ targets: targets.slice(0, 1) }), HOME);
});

const states: [Partial<LinkRow>, string][] = [
  [{ state: "disabled" }, "link_disabled"],
  [{ state: "blocked" }, "link_blocked"],
  [{ state: "deleted" }, "link_deleted"],
  [{ starts_at: NOON + 1 }, "link_not_started"],
  [{ starts_at: NOON, expires_at: NOON + 1 }, HOME],
  [{ expires_at: NOON }, "link_expired"],
  [{ max_uses: 3 }, HOME],
  [{ max_uses: 3, used_up: true }, "link_used_up"],
  [{ password: true }, "link_password_required"],
  [{ default_url: "https://evil.test/" }, "link_blocked"],
  [{ whatsapp: { phone_number_id: "999" } }, "link_blocked"],
  [{ targets: [{ url: "https://evil.test/" }] }, "link_blocked"],
];
for (const [row, expected] of states) {
  Deno.test(`resolve(): ${JSON.stringify(row)} -> ${expected}`, () => {
    assertEquals(outcome(row), expected);
    // With a place of its own for that the visitor goes there; a deleted link has none, a locked one is no dead end.
    const kept = [HOME, "link_deleted", "link_password_required"].includes(expected);
    assertEquals(outcome({ ...row, expired_url: SALE }), kept ? expected : SALE);
    assertEquals(outcome({ ...row, expired_url: "https://evil.test/" }), expected);
  });
}

Deno.test("resolve(): the password opens the link", () => {
  assertEquals(outcome({ password: true }, { unlocked: true }), HOME);
});

Deno.test("resolve(): bots and previews of a limited link see it, and a prefetch is refused", () => {
  for (const name of ["whatsapp", "googlebot"] as const) {
    assertEquals(outcome({ max_uses: 1 }, agent(name)), "show");
  }
  assertEquals(outcome({ max_uses: 1 }, { method: "HEAD" }), "show");
  assertEquals(
    outcome({ max_uses: 1 }, { headers: { "sec-purpose": "prefetch;prerender" } }),
    "link_not_prefetched",
  );
  const chat = { whatsapp: { phone_number_id: "1065" } };
  assertEquals(outcome(chat, { headers: { purpose: "prefetch" } }), "link_not_prefetched");
  assertEquals(outcome({}, { headers: { purpose: "prefetch" } }), HOME);
});

Deno.test("resolve(): while a flag is off or undecided, the visit goes to the default", () => {
  const row = {
    targets: [{ url: SALE }],
    flag_key: "links.sale.enabled",
    whatsapp: { phone_number_id: "1065" },
  };
  const flags = (links: string, sale: string) =>
    withFlags(rules, { "deeplinks.enabled": { value: links }, "links.sale.enabled": { value: sale } });
  assertEquals(outcome(row, {}, flags("true", "true")), SALE);
  assertEquals(outcome(row, {}, flags("false", "true")), HOME);
  assertEquals(outcome(row, {}, flags("true", "false")), HOME);
  assertEquals(outcome(row, {}, withFlags(rules, {})), HOME);
  assertEquals(outcome(row, {}, flags("true", "true"), true), HOME, "killed");
  // A chat that has no default stays reachable.
  const chat = { default_url: undefined, whatsapp: { phone_number_id: "1065", text: "Hi" } };
  assertEquals(outcome(chat, {}, flags("false", "true")), "https://wa.me/12025550100?text=Hi");
  // What the link must not do it does not do either way.
  assertEquals(outcome({ ...row, password: true }, {}, flags("false", "true")), "link_password_required");
});

Deno.test("resolve(): a flag is evaluated for the audience user, or else for the visitor's cookie", () => {
  const row = { targets: [{ url: SALE }] };
  const only = (id: string) =>
    withFlags(rules, { "deeplinks.enabled": { metadata: { target_user_ids: [id] } } });
  const cookie = { cookie: "gl_visitor=abcdefgh234567ab.0123456789abcdef" };
  assertEquals(outcome(row, { query: "u=ada" }, only("ada")), SALE);
  assertEquals(outcome(row, { headers: cookie }, only("abcdefgh234567ab")), SALE);
  assertEquals(outcome(row, { headers: cookie, query: "u=ada" }, only("abcdefgh234567ab")), HOME);
  assertEquals(outcome(row, {}, only("ada")), HOME);
});

Deno.test("needsVisitor() is true only if something depends on recognising the visitor", () => {
  const split = withFlags(rules, { "deeplinks.enabled": { metadata: { rollout_percentage: 25 } }, x: {} });
  assertEquals(needsVisitor(linkOf(), rules), false);
  assertEquals(needsVisitor(linkOf(), split), true);
  assertEquals(needsVisitor(linkOf({ flag_key: "x" }), rules), false);
  assertEquals(needsVisitor(linkOf({ targets: [{ when: { weight: 50 }, url: SALE }] }), rules), true);
  assertEquals(needsVisitor(linkOf({ targets: [{ when: { visitor: "new" }, url: SALE }] }), rules), true);
  assertEquals(needsVisitor(linkOf({ targets: [{ when: { platform: ["ios"] }, url: SALE }] }), rules), false);
});

Deno.test("resolve(): weights divide the visitors in proportion, and each visitor keeps the target", () => {
  const targets = [
    { when: { weight: 50 }, url: `${SALE}?a` },
    { when: { weight: 30, platform: ["ios" as const] }, url: `${SALE}?b` },
    { when: { weight: 10 }, url: `${SALE}?c` },
  ];
  const counts: Record<string, number> = {};
  for (let i = 0; i < 20_000; i++) {
    const visit = { headers: { cookie: `gl_visitor=${randomToken()}.0123456789abcdef` } };
    const place = outcome({ targets }, visit);
    assertEquals(outcome({ targets }, visit), place);
    counts[place] = (counts[place] ?? 0) + 1;
  }
  const near = (place: string, share: number) =>
    assert(Math.abs(counts[place] / 20_000 - share) < 0.02, `${place}: ${counts[place]}`);
  near(`${SALE}?a`, 0.5);
  near(`${SALE}?b`, 0.3);
  near(`${SALE}?c`, 0.1);
  near(HOME, 0.1);
});

Deno.test("resolve(): raising a weight keeps those who were in", () => {
  const arm = (weight: number, visitor: string) =>
    outcome({ targets: [{ when: { weight }, url: SALE }] }, {
      headers: { cookie: `gl_visitor=${visitor}.0123456789abcdef` },
    });
  holds(fc.property(fc.nat(100), fc.nat(100), (a, b) => {
    const visitor = randomToken();
    if (arm(Math.min(a, b), visitor) === SALE) assertEquals(arm(Math.max(a, b), visitor), SALE);
  }));
});

const app = { url: "myapp://p/1", package: "com.example.app", fallback: "https://apps.apple.com/app/id1" };
const apps: [string, Parameters<typeof visitOf>[0], Partial<LinkRow>, object][] = [
  ["Android opens by intent", agent("android"), {}, {
    location:
      "intent://p/1?gl_token=abcdefgh234567ab#Intent;scheme=myapp;package=com.example.app;S.browser_fallback_url=https%3A%2F%2Fapps.apple.com%2Fapp%2Fid1;end",
  }],
  ["Firefox on Android is not trusted with the fallback", agent("androidFirefox"), {}, {
    location: "myapp://p/1?gl_token=abcdefgh234567ab",
    otherwise: "https://apps.apple.com/app/id1",
  }],
  ["an iPhone opens the scheme, and has a fallback", {}, {}, {
    location: "myapp://p/1?gl_token=abcdefgh234567ab",
    otherwise: "https://apps.apple.com/app/id1",
  }],
  ["a universal link is a page", {}, { targets: [{ app: { url: "https://www.example.com/app" } }] }, {
    location: "https://www.example.com/app?gl_token=abcdefgh234567ab",
  }],
  ["the default is the fallback of an app without one", {}, { targets: [{ app: { url: "myapp://p" } }] }, {
    location: "myapp://p?gl_token=abcdefgh234567ab",
    otherwise: HOME,
  }],
  ["a bot is sent to the fallback", agent("googlebot"), {}, { location: "https://apps.apple.com/app/id1" }],
];
for (const [name, visit, row, expected] of apps) {
  Deno.test(`placeOf(): ${name}`, () => {
    const link = linkOf({ targets: [{ app }], ...row }), from = visitOf(visit);
    const decision = resolve(link, from, rules, false);
    if (!("target" in decision)) throw new Error(decision.outcome);
    const token = from.verdict === "human" ? "abcdefgh234567ab" : undefined;
    assertEquals(placeOf(decision.target, link, from, rules, token), { kind: "app", ...expected });
  });
}

const PLAY = "https://play.google.com/store/apps/details?id=com.example.app", TOKEN = "abcdefgh234567ab";
const APPLE = "https://apps.apple.com/de/app/example/id123456789";

/** The place that a visit with a token of a link gets. */
function placed(row: Partial<LinkRow>, visit: Parameters<typeof visitOf>[0], on = rules) {
  const link = linkOf(row), from = visitOf(visit);
  const decision = resolve(link, from, on, false);
  if (!("target" in decision)) throw new Error(decision.outcome);
  return placeOf(
    decision.target,
    link,
    from,
    on,
    wantsToken(decision.target, link, from) ? TOKEN : undefined,
  );
}

/** What an app that is installed from this address is told. */
const told = (location: string) =>
  Object.fromEntries(new URLSearchParams(new URL(location).searchParams.get("referrer")!));

Deno.test("placeOf(): recognises a store by its address, in any member", () => {
  for (const row of [{ default_url: PLAY }, { targets: [{ url: PLAY }] }, { targets: [{ store: PLAY }] }]) {
    assertEquals(placed(row, agent("android")), {
      kind: "store",
      location: `${PLAY}&referrer=gl_token%3D${TOKEN}`,
    });
  }
  assertEquals(placed({ default_url: APPLE }, {}), { kind: "store", location: APPLE });
  for (const page of ["https://apps.apple.com/de/developer/x", "https://play.google.com/store/books", HOME]) {
    assertEquals(placed({ default_url: page }, {}), { kind: "web", location: page });
  }
});

Deno.test("placeOf(): a bot at a store gets no token", () => {
  assertEquals(placed({ default_url: PLAY }, agent("googlebot")), { kind: "store", location: PLAY });
});

const referrers: [string, string, Record<string, string>][] = [
  ["has none", PLAY, { gl_token: TOKEN }],
  ["has an empty one", `${PLAY}&referrer=&hl=de`, { gl_token: TOKEN }],
  ["has one", `${PLAY}&referrer=utm_source%3Dposter%26utm_term%3Da%2520b&hl=de`, {
    utm_source: "poster",
    utm_term: "a b",
    gl_token: TOKEN,
  }],
  ["has one that is no query", `${PLAY}&referrer=my-campaign`, { "my-campaign": "", gl_token: TOKEN }],
  ["has a fragment", `${PLAY}&referrer=a%3D1#top`, { a: "1", gl_token: TOKEN }],
];
for (const [name, store, expected] of referrers) {
  Deno.test(`placeOf(): adds the token to the referrer of a page in Google Play that ${name}, and keeps the rest`, () => {
    const { location } = placed({ default_url: store }, agent("android"));
    assertEquals(told(location), expected);
    const rest = (url: string) => url.replace(/&?referrer=[^&#]*/, "");
    assertEquals(rest(location), rest(store));
    assertEquals(new URL(location).searchParams.getAll("referrer").length, 1);
  });
}

Deno.test("placeOf(): passes campaign and visit to an app through Google Play's referrer", () => {
  const utm = { source: "poster", campaign: "spring & summer" };
  const { location } = placed({ default_url: `${PLAY}&referrer=utm_source%3Down`, utm, pass_query: true }, {
    ...agent("android"),
    query: "coupon=A%26B&hl=fr&id=com.evil&gl_token=forged&utm_source=x",
  });
  assertEquals(told(location), {
    utm_source: "own",
    utm_campaign: "spring & summer",
    coupon: "A&B",
    gl_token: TOKEN,
  });
  assertEquals(new URL(location).searchParams.getAll("id"), ["com.example.app"]);
  assertEquals(new URL(location).searchParams.get("coupon"), "A&B", "as everywhere");
  assertEquals(new URL(location).searchParams.get("hl"), "fr");
});

Deno.test("placeOf(): a link that allows fingerprints gives its visits a token, but not its pages", () => {
  const link = linkOf({ default_url: HOME, fingerprint: true }), from = visitOf();
  assertEquals([wantsToken(link.web!, link, from), wantsToken(linkOf().web!, linkOf(), from)], [true, false]);
  assertEquals(placed({ default_url: HOME, fingerprint: true }, {}).location, HOME);
});

const anyScheme = await rulesOf({ "deeplinks.app_schemes": "myapp, tel, mailto, market" });
const opaque: [string, string][] = [
  ["myapp:product/7", `intent:product/7?gl_token=${TOKEN}&a=1`],
  ["myapp:///p?x=y#z", `intent:///p?x=y&a=1&gl_token=${TOKEN}#z`],
  ["tel:+4930123456", "intent:+4930123456"],
  ["mailto:help@example.com?subject=Hi", "intent:help@example.com?subject=Hi"],
  [
    "market://details?id=com.example.app",
    `intent://details?id=com.example.app&a=1&referrer=gl_token%3D${TOKEN}`,
  ],
];
for (const [url, intent] of opaque) {
  Deno.test(`placeOf(): keeps everything in ${url}, on Android too`, () => {
    const row = { targets: [{ app: { url, package: "com.example.app" } }], pass_query: true };
    const visit = { ...agent("android"), query: "a=1" };
    const scheme = url.slice(0, url.indexOf(":"));
    const [data, extras] = placed(row, visit, anyScheme).location.split("#Intent;");
    const params = (text: string) => text.split(/[?&]/).sort();
    assertEquals(params(data), params(intent));
    assertEquals(extras.startsWith(`scheme=${scheme};package=com.example.app;`), true);
    // As Android reads it: what is before the last "#", with the scheme that it names.
    const opened = scheme + data.slice("intent".length);
    assertEquals(opened.startsWith(url.replace(/[?#].*/, "")), true, opened);
  });
}

Deno.test("placeOf(): offers a universal link's fallback on phones, or its page if there is none", () => {
  const url = "https://www.example.com/p/7", fallback = APPLE;
  const universal = (app: object) => ({ targets: [{ app: { url, ...app } }] });
  const location = `${url}?gl_token=${TOKEN}`;
  assertEquals(placed(universal({ fallback }), {}), {
    kind: "app",
    location,
    otherwise: fallback,
    byTap: true,
  });
  assertEquals(placed(universal({}), {}), { kind: "app", location });
  assertEquals(placed(universal({ fallback }), agent("mac")), { kind: "app", location });
  const firefox = placed(universal({ fallback, package: "com.example.app" }), agent("androidFirefox"));
  assertEquals([firefox.otherwise, firefox.byTap], [fallback, true]);
});

Deno.test("placeOf(): adds missing campaign parameters, and the visit's parameters if wanted", () => {
  const row = { default_url: `${HOME}?utm_source=own#x`, utm: { source: "qr", campaign: "spring & summer" } };
  assertEquals(outcome(row, { query: "a=1" }), `${HOME}?utm_source=own&utm_campaign=spring+%26+summer#x`);
  assertEquals(outcome({ pass_query: true }, { query: "a=1&explain=0" }), `${HOME}?a=1`);
  const app = { targets: [{ app: { url: "https://www.example.com/p/7" } }], pass_query: true };
  assertEquals(outcome(app, { query: "coupon=ABC" }), "https://www.example.com/p/7?coupon=ABC");
});

Deno.test("placeOf(): an app's fallback gets the visit's parameters too, as a page and as a store", () => {
  const query = "coupon=A%26B&gl_hop=0";
  const of = (app: object, visit = {}) =>
    placed({ targets: [{ app: { url: "myapp://p", ...app } }], pass_query: true }, { query, ...visit });
  assertEquals(of({}).otherwise, `${HOME}?coupon=A%26B`);
  assertEquals(of({ fallback: `${HOME}late?a=1#x` }).otherwise, `${HOME}late?a=1&coupon=A%26B#x`);
  assertEquals(of({}, agent("googlebot")).location, `${HOME}?coupon=A%26B`);
  const referrer = new URL(of({ fallback: PLAY }).otherwise!).searchParams.get("referrer");
  assertEquals(referrer, `coupon=A%26B&gl_token=${TOKEN}`);
  const intent = of({ package: "com.example.app", fallback: HOME }, agent("android")).location;
  assertEquals(
    intent.includes(`S.browser_fallback_url=${encodeURIComponent(`${HOME}?coupon=A%26B`)};end`),
    true,
  );
});

Deno.test("placeOf(): a client that opens the address itself gets the app's own, never one for browsers only", () => {
  const link = linkOf({
    targets: [{ app: { url: "https://www.example.com/p/7", package: "com.example.app" } }],
  });
  const from = visitOf(agent("android"));
  const decision = resolve(link, from, rules, false);
  if (!("target" in decision)) throw new Error(decision.outcome);
  assertEquals(
    placeOf(decision.target, link, from, rules, undefined, true).location,
    "https://www.example.com/p/7",
  );
  assertEquals(placeOf(decision.target, link, from, rules, undefined).location.slice(0, 9), "intent://");
});

Deno.test("resolve() reports how it decided", () => {
  const findings: Finding[] = [];
  const link = linkOf({ targets: [{ when: { platform: ["android"] }, url: SALE }, { url: SALE }] });
  resolve(link, visitOf(), rules, false, (finding) => findings.push(finding));
  assertEquals(findings, [
    { what: "usable", holds: true },
    { what: "flag deeplinks.enabled", holds: true, why: "STATIC" },
    { what: "target 0", holds: false, why: "platform" },
    { what: "target 1", holds: true },
  ]);
});

Deno.test("resolve(): changed rules apply to a link that was resolved before", async () => {
  const link = linkOf();
  const other = await rulesOf();
  assertEquals(resolve(link, visitOf(), rules, false).outcome, "go");
  assertEquals(resolve(link, visitOf(), { ...other, allowlist: { patterns: [] } }, false), {
    outcome: "refuse",
    code: "link_blocked",
  });
  assertEquals(resolve(link, visitOf(), rules, false).outcome, "go");
});
