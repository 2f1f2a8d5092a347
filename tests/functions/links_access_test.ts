/** Who may ask for links from a page of another origin, how often anybody may, and how soon what was allowed is. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { IPHONE, type Links, linksTest } from "../support/links.ts";

const HOME = "https://www.example.com/";
const SDK = "https://app.example.net", PANEL = "https://admin.example.com";
const origins = (headers: Headers) => headers.get("access-control-allow-origin");
const preflight = (links: Links, path: string, origin: string, method: string) =>
  links.call(path, {
    method: "OPTIONS",
    open: true,
    headers: {
      origin,
      "access-control-request-method": method,
      "access-control-request-headers": "authorization,apikey,content-type",
    },
  });

linksTest(
  "any page may read JSON decisions, claims and their refusals; no page may read a redirect",
  async (links) => {
    const code = await links.link({ default_url: HOME });
    const json = { origin: SDK, accept: "application/json", "user-agent": IPHONE };
    const ask = (path: string) => links.call(path, { open: true, headers: json });
    const decision = await ask(`/${code}`);
    assertEquals([decision.status, origins(decision.headers), decision.body.url], [200, "*", HOME]);
    const unknown = await ask("/nobodys");
    assertEquals([unknown.status, origins(unknown.headers), unknown.body.code], [404, "*", "link_not_found"]);
    const claim = await links.call("/claim", {
      method: "POST",
      open: true,
      headers: { origin: SDK },
      body: { token: "abcdefgh234567ab" },
    });
    assertEquals([claim.status, origins(claim.headers)], [404, "*"]);
    assertMatch(claim.headers.get("access-control-expose-headers")!, /Retry-After/);
    const redirect = await links.visit(code, { origin: SDK });
    assertEquals([redirect.status, origins(redirect.headers)], [302, null]);
    for (const [path, method, methods] of [["/claim", "POST", "POST"], [`/${code}`, "GET", "GET, HEAD"]]) {
      const { status, headers } = await preflight(links, path, SDK, method);
      assertEquals([status, origins(headers), headers.get("access-control-allow-methods")], [
        204,
        "*",
        methods,
      ]);
      assertMatch(headers.get("access-control-allow-headers")!, /Content-Type/);
    }
  },
);

linksTest("links are managed from the panel's origins and from no other page", async (links) => {
  const code = await links.link({ default_url: HOME });
  const cases: [path: string, method: string, body?: unknown][] = [
    ["", "GET"],
    ["", "POST", { default_url: HOME }],
    ["/bulk", "POST", { links: [] }],
    [`/${code}`, "PATCH", { tags: ["x"] }],
    [`/${code}/stats`, "GET"],
    [`/${code}`, "DELETE"],
  ];
  const seen = async (origin: string) => {
    const answers = [];
    for (const [path, method] of cases) {
      const { status, headers } = await preflight(links, path, origin, method);
      assertEquals(status, 204);
      assertEquals(headers.get("vary"), "Origin");
      answers.push([
        origins(headers),
        headers.get("access-control-allow-methods")?.includes(method) ?? false,
      ]);
    }
    return answers;
  };
  const none = cases.map(() => [null, false]);
  assertEquals(await seen(PANEL), none, "there is no setting");
  await links.set("panel.origins", `${PANEL}, https://staging.example.com:8443 *,http://x/y`);
  assertEquals(await seen(PANEL), cases.map(() => [PANEL, true]));
  for (const other of [SDK, `${PANEL}.evil.example`, "null", "http://x", "*"]) {
    assertEquals(await seen(other), none, other);
  }
  for (const [path, method, body] of cases) {
    const refused = await links.call(path, { method, open: true, headers: { origin: PANEL }, body });
    assertEquals([refused.status, origins(refused.headers)], [401, PANEL], `${method} ${path}`);
    const foreign = await links.call(path, { method, open: true, headers: { origin: SDK }, body });
    assertEquals([foreign.status, origins(foreign.headers), foreign.headers.get("vary")], [
      401,
      null,
      "Origin",
    ]);
    const answer = await links.call(path, { method, headers: { origin: PANEL }, body });
    assert(answer.status < 300, `${method} ${path}: ${answer.status}`);
    assertEquals([origins(answer.headers), answer.headers.get("vary")], [PANEL, "Origin"]);
    // A cache that is shared must not keep it for the panel.
    const nobodys = await links.call(path, { method, open: true, body });
    assertEquals([nobodys.status, nobodys.headers.get("vary")], [401, "Origin"]);
  }
});

linksTest(
  "a client that manages links too fast is told how long to wait; visitors are not",
  async (links) => {
    const code = await links.link({ default_url: HOME });
    // One in a thousand seconds, and one at once.
    await links.set("deeplinks.rate_per_second", "0.001");
    const calls: [path: string, method: string, body?: unknown][] = [
      ["", "POST", { default_url: HOME }],
      ["/bulk", "POST", { links: [] }],
      ["", "GET"],
      [`/${code}/stats`, "GET"],
      [`/${code}`, "PATCH", { tags: [] }],
      [`/${code}`, "DELETE"],
    ];
    await links.sql`delete from rate_limits`; // of making the link, at another pace
    const first = await links.call("");
    assertEquals([first.status, first.headers.get("ratelimit-policy")], [200, '"links";q=1;w=1000']);
    for (const [path, method, body] of calls) {
      const { status, headers, body: problem } = await links.call(path, { method, body });
      assertEquals([status, problem.code], [429, "rate_limited"], `${method} ${path}`);
      const wait = Number(headers.get("retry-after"));
      assert(wait > 0 && wait <= 1000, `${wait}`);
    }
    assertEquals((await links.visit(code)).status, 302);
  },
);

linksTest(
  "a newly allowed host is accepted at once, any other is refused",
  async (links) => {
    const code = await links.link({ default_url: HOME });
    const body = { default_url: "https://new.example.com/" };
    const refused = await links.call("", { method: "POST", body });
    assertEquals([refused.status, refused.body.code], [422, "url_not_allowed"]);
    // By somebody else, and no isolate is told.
    await links
      .sql`insert into destination_allowlist (pattern, purpose) values ('new.example.com', 'redirect')`;
    const made = await links.call("", { method: "POST", body });
    assertEquals(made.status, 201);
    assertEquals((await links.visit(made.body.code)).headers.get("location"), body.default_url);
    await links
      .sql`insert into destination_allowlist (pattern, purpose) values ('newer.example.com', 'redirect')`;
    const changed = await links.call(`/${code}`, {
      method: "PATCH",
      body: { default_url: "https://newer.example.com/" },
    });
    assertEquals(changed.status, 200);
  },
);
