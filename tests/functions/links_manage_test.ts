/** Making and keeping links, on the real database: with a secret key, and as a member of the team. */
import {
  bulkResults,
  link,
  linkList,
  linkStats,
  madeLink,
} from "../../supabase/functions/_shared/contract/links.ts";
import { hashPassword } from "../../supabase/functions/_shared/links/model/passwords.ts";
import { assert, assertEquals, assertMatch, assertNotEquals } from "../support/assert.ts";
import { IPHONE, KEYS, type Links, linksTest, NUMBER, WHATSAPP } from "../support/links.ts";

const HOME = "https://www.example.com/", SALE = "https://www.example.com/sale";
const post = (links: Links, body: unknown, headers = {}) => links.call("", { method: "POST", body, headers });
const patch = (links: Links, code: string, body: unknown) =>
  links.call(`/${code}`, { method: "PATCH", body });

linksTest("an endlessly nested body is refused on every route", async (links) => {
  const code = await links.link({ default_url: HOME });
  const deep = `{"utm":${'{"a":'.repeat(8000)}1${"}".repeat(8001)}`;
  const calls: [path: string, method: string][] = [
    ["", "POST"],
    ["/bulk", "POST"],
    [`/${code}`, "PATCH"],
    [`/${code}`, "POST"],
    ["/claim", "POST"],
  ];
  for (const [path, method] of calls) {
    const headers = { "content-type": "application/json" };
    const { status, body } = await links.call(path, { method, headers, body: deep });
    assert(status === 422 || status === 413, `${method} ${path}: ${status} ${JSON.stringify(body)}`);
  }
});

linksTest("POST answers 201 with code and addresses", async (links) => {
  const { status, body } = await post(links, { default_url: HOME });
  assertEquals(status, 201);
  assertMatch(body.code, /^[23456789abcdefghjkmnpqrstuvwxyz]{8}$/);
  assertEquals(body, {
    code: body.code,
    url: `https://ref.example.co/functions/v1/deeplinks/${body.code}`,
    qr_url: `https://ref.example.co/functions/v1/deeplinks/${body.code}/qr.svg`,
  });
});

linksTest("with a link domain the address is short", async (links) => {
  const { body } = await post(links, { default_url: HOME });
  assertEquals(body.url, `https://go.example.com/${body.code}`);
}, { LINK_DOMAIN: "go.example.com" });

linksTest("external_id makes creation idempotent, also for concurrent requests", async (links) => {
  const body = { default_url: HOME, external_id: "poster-1", tags: ["a", "b"] };
  const answers = await Promise.all(Array.from({ length: 20 }, () => post(links, body)));
  assertEquals(answers.map(({ status }) => status).sort(), [...Array(19).fill(200), 201]);
  assertEquals(new Set(answers.map(({ body }) => body.code)).size, 1);
  assertEquals(
    (await post(links, { tags: ["a", "b"], external_id: "poster-1", default_url: HOME })).status,
    200,
    "whatever the order",
  );
  const other = await post(links, { ...body, default_url: SALE });
  assertEquals([other.status, other.body.code], [409, "external_id_taken"]);
  const [{ n }] = await links.sql`select count(*)::int as n from links`;
  assertEquals(n, 1);
});

linksTest(
  "the same external_id with another password is a conflict, and no hash is returned",
  async (links) => {
    const body = { default_url: HOME, external_id: "poster-1", password: "open sesame" };
    const { body: made } = await post(links, body);
    const again = await post(links, body);
    assertEquals([again.status, again.body], [200, made]);
    const other = await post(links, { ...body, password: "other words" });
    assertEquals([other.status, other.body.code], [409, "external_id_taken"]);
    const bulk = await links.call("/bulk", {
      method: "POST",
      body: { links: [body, { ...body, password: "other words" }, { ...body, external_id: "new" }] },
    });
    assertEquals(bulk.body.results[0], { status: 200, ...made });
    assertEquals(bulk.body.results[1], { status: 409, error: "external_id_taken" });
    assertEquals(bulk.body.results[2].status, 201);
    await patch(links, made.code, { password: null });
    assertEquals((await post(links, body)).status, 409, "it has no password any more");
  },
);

linksTest("a custom code can be taken once, forever, and reserved words cannot", async (links) => {
  assertEquals((await post(links, { default_url: HOME, code: "Spring" })).body.code, "spring");
  assertEquals((await post(links, { default_url: HOME, code: "SPRING" })).body.code, "code_taken");
  await links.call("/spring", { method: "DELETE" });
  assertEquals(
    (await post(links, { default_url: HOME, code: "spring" })).body.code,
    "code_taken",
    "a deleted link keeps its code",
  );
  for (const code of ["bulk", "claim", "deeplinks", "stats", "Admin"]) {
    const { status, body } = await post(links, { default_url: HOME, code });
    assertEquals([status, body.code], [422, "code_reserved"]);
  }
  for (const code of ["ab", "a b", "a/b", "-ab", "ä12", "x".repeat(65), ".well-known"]) {
    assertEquals((await post(links, { default_url: HOME, code })).status, 422);
  }
});

linksTest("generated codes are never repeated", async (links) => {
  // A generator that can only count to four is used up by the fifth link, and says so.
  await links.sql.unsafe(`create sequence public.four; grant usage on sequence public.four to service_role;
    create or replace function private.new_link_code() returns text language sql volatile set search_path = '' as
    $$ select 'aaaaaaa' || 1 + nextval('public.four') % 4 $$`);
  const answers = [];
  for (let i = 0; i < 5; i++) answers.push(await post(links, { default_url: HOME }));
  assertEquals(answers.map(({ status }) => status), [201, 201, 201, 201, 503]);
  assertEquals(new Set(answers.slice(0, 4).map(({ body }) => body.code)).size, 4);
});

const refused: [string, unknown, string, string?][] = [
  ["nothing", {}, "invalid_request", "default_url"],
  ["no object", [1], "invalid_request"],
  ["an unknown member", { default_url: HOME, colour: "red" }, "invalid_request", "colour"],
  [
    "a host that is not allowed",
    { default_url: "https://evil.test/" },
    "url_not_allowed",
    "default_url is not on the allowlist",
  ],
  [
    "a target that is not allowed",
    { default_url: HOME, targets: [{ url: "//evil.test" }] },
    "url_not_allowed",
    "targets[0].url",
  ],
  [
    "an expired_url that is not allowed",
    { default_url: HOME, expired_url: "http://www.example.com/" },
    "url_not_allowed",
    "expired_url",
  ],
  [
    "an image that is not allowed",
    { default_url: HOME, preview: { image: "https://evil.test/a.png" } },
    "url_not_allowed",
  ],
  [
    "a scheme that is not allowed",
    { default_url: HOME, targets: [{ app: { url: "otherapp://x" } }] },
    "url_not_allowed",
    "otherapp",
  ],
  [
    "a package of others",
    { default_url: HOME, targets: [{ app: { url: HOME, package: "com.evil.app" } }] },
    "url_not_allowed",
    "deeplinks.apps",
  ],
  [
    "a number named as a prototype's own",
    { whatsapp: { phone_number_id: "constructor" } },
    "url_not_allowed",
    "business numbers",
  ],
  ["a number of others", { whatsapp: { phone_number_id: "1" } }, "url_not_allowed", "business numbers"],
  [
    "two places in one target",
    { default_url: HOME, targets: [{ url: HOME, store: HOME }] },
    "invalid_request",
    "exactly one",
  ],
  [
    "a token in the text",
    { whatsapp: { phone_number_id: NUMBER.id, text: "[ref:abcdefgh234567ab]" } },
    "invalid_request",
  ],
  [
    "half a character",
    { whatsapp: { phone_number_id: NUMBER.id, text: "\ud800" } },
    "invalid_request",
    "Unicode",
  ],
  [
    "an end before the begin",
    { default_url: HOME, starts_at: "2026-02-01T00:00:00Z", expires_at: "2026-01-01T00:00:00Z" },
    "invalid_request",
    "expires_at",
  ],
  [
    "a time without a zone",
    { default_url: HOME, starts_at: "2026-02-01T00:00:00" },
    "invalid_request",
    "starts_at",
  ],
  ["no uses", { default_url: HOME, max_uses: 0 }, "invalid_request", "max_uses"],
  [
    "a weight above all",
    { default_url: HOME, targets: [{ when: { weight: 101 }, url: HOME }] },
    "invalid_request",
    "weight",
  ],
  [
    "weights that divide more visitors than there are",
    {
      default_url: HOME,
      targets: [{ when: { weight: 60 }, url: HOME }, { when: { weight: 40.01 }, url: SALE }],
    },
    "invalid_request",
    "targets divide more than 100 of 100 visitors",
  ],
  [
    "an unknown condition",
    { default_url: HOME, targets: [{ when: { moon: "full" }, url: HOME }] },
    "invalid_request",
    "moon",
  ],
  [
    "a zone that is none",
    { default_url: HOME, targets: [{ when: { time: { zone: "Mars" } }, url: HOME }] },
    "invalid_request",
    "zone",
  ],
];
for (const [what, body, problem, detail = ""] of refused) {
  linksTest(`POST refuses ${what}: ${problem}`, async (links) => {
    const answer = await post(links, body);
    assertEquals([answer.status, answer.body.code], [422, problem]);
    assert(answer.body.detail.includes(detail), answer.body.detail);
    assertEquals([...await links.sql`select from links`], []);
  });
}

linksTest("POST refuses what is not JSON, and too large bodies", async (links) => {
  assertEquals((await post(links, "{")).body.code, "invalid_json");
  assertEquals((await post(links, { default_url: HOME, tags: ["x".repeat(70_000)] })).status, 413);
  assertEquals(
    (await links.call("/abcd", { method: "PUT", body: {} })).headers.get("allow"),
    "DELETE, GET, HEAD, OPTIONS, PATCH, POST",
  );
  assertEquals((await links.call("/abcd/nothing")).status, 404);
});

linksTest("POST bulk answers each row separately, in order, a thousand in one call", async (links) => {
  await post(links, { default_url: HOME, code: "taken", external_id: "old" });
  const rows: unknown[] = Array.from(
    { length: 1000 },
    (_, i) => ({ default_url: `${HOME}${i}`, external_id: `bulk-${i}` }),
  );
  rows[3] = { default_url: "https://evil.test/" };
  rows[5] = { default_url: HOME, code: "taken" };
  rows[6] = { default_url: HOME, code: "mine" };
  rows[7] = { default_url: HOME, code: "mine" };
  rows[8] = rows[9] = { default_url: HOME, external_id: "twice" };
  rows[10] = { default_url: SALE, external_id: "twice" };
  rows[11] = { default_url: HOME, code: "taken", external_id: "old" };
  rows[12] = { default_url: HOME, code: "bulk" };
  rows[13] = "nonsense";
  const { status, body } = await links.call("/bulk", { method: "POST", body: { links: rows } });
  assertEquals([status, body.results.length], [200, 1000]);
  const told = (i: number) => [body.results[i].status, body.results[i].error];
  assertEquals(told(3), [422, "url_not_allowed"]);
  assertEquals(told(5), [409, "code_taken"]);
  assertEquals([body.results[6].status, body.results[6].code], [201, "mine"]);
  assertEquals(told(7), [409, "code_taken"]);
  assertEquals([body.results[8].status, body.results[9].status], [201, 200]);
  assertEquals(body.results[8].code, body.results[9].code);
  assertEquals(told(10), [409, "external_id_taken"]);
  assertEquals([body.results[11].status, body.results[11].code], [200, "taken"]);
  assertEquals(told(12), [422, "code_reserved"]);
  assertEquals(told(13), [422, "invalid_request"]);
  assertEquals(body.results[999].url.endsWith(`/${body.results[999].code}`), true);
  // In order: the link of row i leads where row i says.
  const places = await links.sql`select external_id, code from links where external_id like 'bulk-%'`;
  const codes = new Map(places.map((row) => [row.external_id, row.code]));
  rows.forEach((row, i) => {
    const { external_id } = row as { external_id?: string };
    if (external_id?.startsWith("bulk-")) assertEquals(body.results[i].code, codes.get(external_id));
  });
  const again = await links.call("/bulk", { method: "POST", body: { links: rows.slice(14) } });
  assertEquals(
    new Set(again.body.results.map((result: { status: number }) => result.status)),
    new Set([200]),
  );
  assertEquals(
    (await links.call("/bulk", { method: "POST", body: { links: Array(1001).fill({}) } })).status,
    422,
  );
});

linksTest(
  "PATCH changes the given members, null removes them, and an invalid result is refused",
  async (links) => {
    const code = await links.link({
      default_url: HOME,
      max_uses: 3,
      tags: ["a"],
      utm: { source: "qr", campaign: "spring" },
      password: "open sesame",
    });
    const { status, body } = await patch(links, code, {
      max_uses: null,
      utm: { campaign: null, term: "x" },
      tags: ["b"],
    });
    assertEquals(status, 200);
    assertEquals([body.max_uses, body.utm, body.tags, body.version, body.password], [
      undefined,
      { source: "qr", term: "x" },
      ["b"],
      2,
      true,
    ]);
    assertEquals((await patch(links, code, { password: null })).body.password, false);
    const [{ kept }] = await links.sql`select count(*)::int as kept from private.link_passwords`;
    assertEquals(kept, 0);
    assertEquals((await patch(links, code, { password: "other words" })).body.password, true);
    assertEquals((await patch(links, code, { default_url: null })).body.code, "invalid_request");
    assertEquals(
      (await patch(links, code, { default_url: "https://evil.test/" })).body.code,
      "url_not_allowed",
    );
    assertEquals(
      (await patch(links, code, { code: "other" })).body.code,
      "invalid_request",
      "a code never changes",
    );
    assertEquals((await patch(links, code, { state: "deleted" })).status, 422);
    assertEquals((await patch(links, code, [])).status, 422);
    assertEquals((await patch(links, "nothere", {})).body.code, "link_not_found");
    await links.link({ default_url: HOME, external_id: "mine" });
    assertEquals((await patch(links, code, { external_id: "mine" })).body.code, "external_id_taken");
  },
);

linksTest(
  "a link whose host left the allowlist can be changed, but not to that host again",
  async (links) => {
    const code = await links.link({
      default_url: HOME,
      targets: [{ url: SALE }, { when: { platform: "ios" }, app: { url: HOME, fallback: HOME } }],
      preview: { title: "Sale", image: `${HOME}a.png` },
    });
    await links.sql`delete from destination_allowlist`;
    await links.refresh();
    const patches = [
      {},
      { tags: ["z"] },
      { state: "blocked" },
      { expires_at: "2030-01-01T00:00:00Z" },
      { state: "disabled" },
    ];
    for (const body of patches) {
      assertEquals(
        (await patch(links, code, body)).status,
        200,
        JSON.stringify(body),
      );
    }
    const { body: page } = await links.call(`?code=${code}`);
    assertEquals([page.links[0].state, page.links[0].tags, page.links[0].default_url], [
      "disabled",
      ["z"],
      HOME,
    ]);
    const refused = await patch(links, code, { tags: ["y"], default_url: SALE, preview: { title: "New" } });
    assertEquals([refused.status, refused.body.code], [422, "url_not_allowed"]);
    assertEquals(refused.body.fields.map(({ path }: { path: string }) => path), [
      "default_url",
      "preview.image",
    ]);
    assertEquals((await patch(links, code, { state: "active" })).status, 200);
    assertEquals((await links.visit(code)).status, 403, "the redirect asks the allowlist again");
  },
);

linksTest("of concurrent changes with the same version exactly one succeeds", async (links) => {
  const code = await links.link({ default_url: HOME });
  const answers = await Promise.all([1, 2, 3, 4].map((n) => patch(links, code, { version: 1, max_uses: n })));
  assertEquals(answers.map(({ status }) => status).sort(), [200, 409, 409, 409]);
  const [{ version }] = await links.sql`select version from links`;
  assertEquals(version, 2);
});

linksTest("PATCH with the version that was read keeps what others wrote since", async (links) => {
  const code = await links.link({ default_url: HOME });
  assertEquals((await patch(links, code, { version: 1, tags: ["mine"] })).body.version, 2);
  const late = await patch(links, code, { version: 1, tags: ["late"] });
  assertEquals([late.status, late.body.code], [409, "conflict"]);
  const { body } = await patch(links, code, { version: 2, max_uses: 3 });
  assertEquals([body.tags, body.max_uses], [["mine"], 3]);
});

linksTest("errors are reported by field", async (links) => {
  const fieldsOf = async (body: unknown) => (await post(links, body)).body.fields;
  assertEquals(
    await fieldsOf({
      default_url: HOME,
      max_uses: 0,
      targets: [{ url: HOME, when: { country: ["DE", "Germany"], query: { src: [""], "": true } } }],
    }),
    [
      { path: "targets[0].when.country[1]", message: 'is not a country as ISO 3166 codes them, like "DE"' },
      { path: "targets[0].when.query.", message: "Invalid key in record" },
      { path: "max_uses", message: "Too small: expected number to be >=1" },
    ],
  );
  assertEquals(await fieldsOf({ default_url: HOME, targets: [{ url: "https://evil.test/" }] }), [
    { path: "targets[0].url", message: "is not on the allowlist" },
  ]);
  const code = await links.link({ default_url: HOME });
  assertEquals((await patch(links, code, { expired_url: "https://evil.test/" })).body.fields, [
    { path: "expired_url", message: "is not on the allowlist" },
  ]);
});

linksTest(
  "DELETE ends visits; figures stay, the external id is free again, the code is not",
  async (links) => {
    const code = await links.link({ default_url: HOME, external_id: "poster" });
    await links.visit(code);
    await links.flush();
    assertEquals((await links.call(`/${code}`, { method: "DELETE" })).status, 204);
    assertEquals((await links.call(`/${code}`, { method: "DELETE" })).status, 404);
    assertEquals((await links.visit(code)).status, 410);
    assertEquals((await patch(links, code, { max_uses: 1 })).status, 404);
    assertEquals((await links.call(`/${code}/stats`)).body.clicks.human, 1);
    assertNotEquals(await links.link({ default_url: HOME, external_id: "poster" }), code);
  },
);

linksTest("GET lists newest first, filtered and paginated", async (links) => {
  for (let i = 0; i < 7; i++) {
    await links.link({
      default_url: HOME,
      code: `link-${i}`,
      tags: i % 2 === 0 ? ["even"] : [],
      utm: { campaign: i < 3 ? "spring" : "fall" },
    });
  }
  await links.call("/link-6", { method: "DELETE" });
  await patch(links, "link-5", { state: "disabled" });
  const codes = async (query: string) =>
    (await links.call(query)).body.links.map((link: { code: string }) => link.code);
  assertEquals(await codes(""), ["link-5", "link-4", "link-3", "link-2", "link-1", "link-0"]);
  assertEquals(await codes("?tag=even"), ["link-4", "link-2", "link-0"]);
  assertEquals(await codes("?campaign=spring&tag=even"), ["link-2", "link-0"]);
  assertEquals(await codes("?state=disabled"), ["link-5"]);
  assertEquals(await codes("?state=deleted"), ["link-6"]);
  assertEquals(await codes("?code=link-1"), ["link-1"]);
  const seen: string[] = [];
  let cursor: string | undefined = "";
  while (cursor !== undefined) {
    const { body }: { body: { links: { code: string }[]; cursor?: string } } = await links.call(
      `?limit=4${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
    );
    seen.push(...body.links.map(({ code }) => code));
    assert(seen.length <= 6, "a page has what was on the one before");
    cursor = body.cursor;
  }
  assertEquals(seen, ["link-5", "link-4", "link-3", "link-2", "link-1", "link-0"]);
  for (const query of ["?limit=0", "?limit=x", "?cursor=nonsense"]) {
    assertEquals((await links.call(query)).status, 422);
  }
});

linksTest("stats: by time, platform, source and distinct visitors", async (links) => {
  const code = await links.link({
    default_url: HOME,
    targets: [{ when: { platform: "android" }, url: SALE }],
  });
  const from = (ip: string, referer?: string) => ({
    "x-real-ip": ip,
    "cf-ipcountry": "DE",
    ...(referer ? { referer } : {}),
  });
  await links.visit(code, from("203.0.114.1", "https://t.example.org/x"));
  await links.visit(code, from("203.0.114.1"));
  await links.visit(code, { ...from("203.0.114.2"), "user-agent": "curl/8" });
  await links.flush();
  const today = new Date().toISOString().slice(0, 10);
  const { body } = await links.call(`/${code}/stats?from=${today}&to=${today}`);
  assertEquals(body, {
    code,
    uses: 0,
    max_uses: null,
    zone: "UTC",
    from: today,
    to: today,
    clicks: { human: 2, bot: 1, preview: 0, prefetch: 0, own: 0 },
    visitors: 1,
    days: [{ day: today, human: 2, bot: 1, preview: 0, prefetch: 0, own: 0, visitors: 1 }],
    attributions: { total: 0, first_touch: 0, by_confidence: {} },
    conversations: 0,
    platforms: { ios: 2 },
    countries: { DE: 2 },
    referrers: { "": 1, "t.example.org": 1 },
    targets: { web: 2 },
    rules: { default: 2 },
    sources: { link: 2 },
  });
  assertEquals((await links.call(`/${code}/stats?to=2020-01-01&from=2020-01-01`)).body.clicks.human, 0);
  assertEquals((await links.call("/nothere/stats")).status, 404);
  assertEquals((await links.call(`/${code}/stats?from=yesterday`)).status, 422);
  const { body: old } = await links.call(`/${code}/stats?to=2020-01-31`);
  assertEquals([old.from, old.to], ["2020-01-02", "2020-01-31"], "30 days, whenever they end");
});

linksTest(
  "an unknown parameter or value is refused with the allowed ones",
  async (links) => {
    const code = await links.link({ default_url: HOME });
    const refused: [string, RegExp][] = [
      ["?state=nonsense", /`state` must be one of active, disabled, blocked, deleted\./],
      [
        "?tags=a",
        /Unknown parameter `tags`; allowed are limit, cursor, state, search, tag, .*external_id\./,
      ],
      [`/${code}/stats?from=2026-02-02&to=2026-02-01`, /`from` must not be after `to`/],
      [`/${code}/stats?days=7`, /Unknown parameter `days`; allowed are from, to, last, tz\./],
    ];
    for (const [path, detail] of refused) {
      const { status, body } = await links.call(path);
      assertEquals([status, body.code], [422, "invalid_request"], path);
      assertMatch(body.detail, detail);
    }
    for (const state of ["active", "disabled", "blocked", "deleted"]) {
      assertEquals((await links.call(`?state=${state}`)).status, 200);
    }
  },
);

linksTest("texts that the database cannot store are refused as the caller's error", async (links) => {
  const code = await links.link({ default_url: HOME });
  const paths = [
    `/${code}/stats?from=2026-02-31`,
    `/${code}/stats?to=0000-01-01`,
    `/?cursor=${encodeURIComponent(btoa("1 x"))}`,
    `/?cursor=${encodeURIComponent(btoa("2026-02-31 x"))}`,
    "/?tag=%00",
    "/?campaign=%00&limit=1",
  ];
  for (const path of paths) {
    const { status, body } = await links.call(path);
    assertEquals([status, body.code], [422, "invalid_request"], path);
  }
  const bodies = [
    { tags: ["\ud800"] },
    { utm: { term: "\udc00x" } },
    { preview: { title: "\ud83d" } },
    { whatsapp: { phone_number_id: NUMBER.id, text: "a\u0000b" } },
    { targets: [{ when: { query: { q: ["\u0000"] } }, url: HOME }] },
    { targets: [{ when: { query: { q: ["\ud800"] } }, url: HOME }] },
    { starts_at: "0000-01-01T00:00:00Z" },
  ];
  for (const body of bodies) {
    const { status, body: answer } = await links.call("/", {
      method: "POST",
      body: { default_url: HOME, ...body },
    });
    assertEquals([status, answer.code], [422, "invalid_request"], JSON.stringify(body));
  }
  const { results } = (await links.call("/bulk", {
    method: "POST",
    body: { links: [...bodies.map((body) => ({ default_url: HOME, ...body })), { default_url: HOME }] },
  })).body;
  assertEquals(results.map(({ status }: { status: number }) => status), [...bodies.map(() => 422), 201]);
});

linksTest("QR codes of a link: SVG and PNG in custom colours", async (links) => {
  const code = await links.link({ default_url: HOME });
  const svg = await links.call(`/${code}/qr.svg?dark=0b5fff&level=H`, { open: true });
  assertEquals([svg.status, svg.headers.get("content-type")], [200, "image/svg+xml"]);
  assert(svg.body.includes('fill="#0b5fff"'));
  const png = await links.call(`/${code}/qr.png?size=6&light=%23eeeeee`, { open: true });
  assertEquals(png.status, 422, "at least 64 pixels");
  const good = await links.call(`/${code}/qr.png?size=200`, { open: true });
  assertEquals([good.status, good.headers.get("content-type")], [200, "image/png"]);
  assertEquals((await links.call("/nothere/qr.svg", { open: true })).status, 404);
  const bads = [
    "dark=red",
    'light="/><script>',
    "level=X",
    "margin=99",
    "size=0",
    // No scanner reads these.
    "dark=ffffff&light=ffffff",
    "dark=ffffff",
    "dark=ffff00",
    "dark=000000&light=222222",
  ];
  for (const bad of bads) {
    assertEquals((await links.call(`/${code}/qr.svg?${bad}`, { open: true })).status, 422, bad);
  }
  for (const readable of ["dark=0b5fff", "dark=d62828", "light=ffd60a", "dark=ffffff&light=000000"]) {
    assertEquals((await links.call(`/${code}/qr.svg?${readable}`, { open: true })).status, 200, readable);
  }
});

/** A user of Auth with a token, in the team when a role is given. */
async function member(links: Links, role?: "viewer" | "operator" | "admin"): Promise<Record<string, string>> {
  const email = `${crypto.randomUUID()}@example.com`;
  const signup = await links.api(
    new Request("http://links.test/auth/v1/signup", {
      method: "POST",
      headers: { apikey: KEYS.publishableKey, "content-type": "application/json" },
      body: JSON.stringify({ email, password: "correct horse battery" }),
    }),
  );
  const { access_token, user } = await signup.json();
  if (role) await links.sql`insert into team_members (user_id, role) values (${user.id}, ${role})`;
  return { authorization: `Bearer ${access_token}`, apikey: KEYS.publishableKey, id: user.id };
}

linksTest(
  "managing: secret keys and operators may, viewers may read, everybody else is refused",
  async (links) => {
    const code = await links.link({ default_url: HOME });
    const body = { default_url: HOME };
    const all: [string, string, unknown][] = [
      ["POST", "", body],
      ["POST", "/bulk", { links: [body] }],
      ["PATCH", `/${code}`, { tags: ["x"] }],
      ["GET", "", undefined],
      ["GET", `/${code}/stats`, undefined],
      ["DELETE", `/${code}`, undefined],
    ];
    const [operator, viewer, stranger] = [
      await member(links, "operator"),
      await member(links, "viewer"),
      await member(links),
    ];
    const outcomes = async (headers: Record<string, string>) => {
      const { id: _, ...sent } = headers;
      const answers = [];
      for (const [method, path, body] of all) {
        answers.push(
          (await links.call(path, { method, body, headers: sent, open: true })).status,
        );
      }
      return answers;
    };
    assertEquals(await outcomes({}), Array(6).fill(401));
    assertEquals(await outcomes({ apikey: "sb_secret_wrong" }), Array(6).fill(401));
    assertEquals(await outcomes({ apikey: KEYS.publishableKey }), Array(6).fill(403));
    assertEquals(
      await outcomes({ authorization: "Bearer nonsense", apikey: KEYS.publishableKey }),
      Array(6).fill(401),
    );
    assertEquals(
      await outcomes({ authorization: `${operator.authorization}x`, apikey: KEYS.publishableKey }),
      Array(6).fill(401),
    );
    assertEquals(await outcomes(stranger), Array(6).fill(403));
    assertEquals(await outcomes(viewer), [403, 403, 403, 200, 200, 403]);
    assertEquals(await outcomes(operator), [201, 200, 200, 200, 200, 204]);
    assertEquals(
      (await links.sql`select distinct created_by from links order by 1`).map((row) => row.created_by).sort(),
      [operator.id, "key:default"].sort(),
    );
    await links.sql`delete from team_members where user_id = ${operator.id}`;
    assertEquals(await outcomes(operator), Array(6).fill(403), "at once, whatever the token says");
  },
);

linksTest("the caller is authenticated before the request is examined", async (links) => {
  assertEquals((await links.call("", { method: "POST", body: "{", open: true })).status, 401);
  assertEquals(
    (await links.call("/bulk", { method: "POST", body: "{", open: true, headers: { "user-agent": IPHONE } }))
      .status,
    401,
  );
});

linksTest("a new password has 8 characters; older, shorter ones keep working", async (links) => {
  for (const password of ["0042", "1234567"]) {
    const made = await post(links, { default_url: HOME, password });
    assertEquals([made.status, made.body.code], [422, "invalid_request"]);
    assertEquals(made.body.fields, [{ path: "password", message: "at least 8 characters" }]);
    const { body } = await links.call("/bulk", {
      method: "POST",
      body: { links: [{ default_url: HOME, password }] },
    });
    assertEquals([body.results[0].status, body.results[0].fields], [422, made.body.fields]);
  }
  const code = await links.link({ default_url: HOME, password: "12345678" });
  const change = await patch(links, code, { password: "0042" });
  assertEquals([change.status, change.body.fields[0].path], [422, "password"]);
  await links.sql`update private.link_passwords set hash = ${await hashPassword(
    "0042",
  )} where code = ${code}`;
  assertEquals(
    (await patch(links, code, { tags: ["old"] })).status,
    200,
    "it is no reason to refuse a change",
  );
  const opened = await links.call(`/${code}`, { method: "POST", open: true, body: { password: "0042" } });
  assertEquals(opened.status, 303);
});

linksTest(
  "title and note are for the team: searchable, changeable, and never sent to visitors",
  async (links) => {
    const secret = "Unannounced 100 % off";
    const made = { default_url: HOME, code: "told", title: secret, note: `${secret}\nAsk Ann` };
    assertEquals((await post(links, { ...made, preview: { title: "Spring" } })).status, 201);
    await post(links, { default_url: HOME, code: "other", title: "Another" });
    const found = async (query: string) =>
      (await links.call(`?${query}`)).body.links.map(({ code }: { code: string }) => code);
    assertEquals(await found("title=ANNOUNCED"), ["told"]);
    assertEquals(await found("title=%25"), ["told"], "a sign of patterns is a letter like any other");
    assertEquals(await found("note=ask+ann"), ["told"]);
    assertEquals(await found("title=ann&note=ann"), ["told"]);
    assertEquals(await found("note=another"), []);
    const { body: changed } = await patch(links, "told", { title: "Announced", note: null });
    assertEquals([changed.title, changed.note], ["Announced", undefined]);
    await patch(links, "told", { title: secret, note: secret });
    assertEquals((await patch(links, "told", { title: "x".repeat(121) })).status, 422);
    assertEquals((await patch(links, "told", { note: "x".repeat(501) })).status, 422);
    assertEquals((await patch(links, "told", { title: "two\nlines" })).status, 422);

    const answers = [
      await links.visit("told"),
      await links.visit("told", { accept: "application/json" }),
      await links.visit("told", { "user-agent": WHATSAPP, accept: "text/html" }),
      await links.visit("told", {}, "?explain=1"),
    ];
    for (const answer of answers) {
      const told = `${JSON.stringify([...answer.headers])}${await answer.text()}`;
      assert(!told.includes("Unannounced"), told);
    }
  },
  { LINK_HTML: "true" },
);

linksTest("answers have exactly the shapes of the contract", async (links) => {
  const full = {
    default_url: HOME,
    code: "full",
    title: "Full",
    targets: [{ when: { platform: "ios", time: { zone: "Europe/Berlin" } }, store: SALE }],
    whatsapp: { phone_number_id: NUMBER.id },
    starts_at: "2020-01-01T00:00:00Z",
    max_uses: 5,
    utm: { campaign: "spring" },
    preview: { title: "Spring" },
    password: "open sesame",
  };
  madeLink.parse((await post(links, full)).body);
  const rows = [{ default_url: HOME }, { default_url: 1 }, { default_url: HOME, code: "full" }];
  const bulk = await links.call("/bulk", { method: "POST", body: { links: rows } });
  assertEquals(bulkResults.parse(bulk.body).results.map(({ status }) => status), [201, 422, 409]);
  const { body: list } = await links.call("");
  const read = linkList.parse(list);
  assertEquals(read, list, "nothing is left out or written in another way");
  link.parse((await patch(links, "full", { tags: ["a"], state: "disabled" })).body);
  linkStats.parse((await links.call("/full/stats")).body);
});
