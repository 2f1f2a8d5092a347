/** Visits of links, on the real database: what is answered, and what is kept of it. */
import { createHmac } from "node:crypto";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { forgetRefusal } from "../../supabase/functions/_shared/db/schema.ts";
import { linesOf } from "../../supabase/functions/_shared/links/clicks/lines.ts";
import { ANDROID, IPHONE, KEYS, type Links, linksTest, NUMBER, WHATSAPP } from "../support/links.ts";
import { until } from "../support/until.ts";

const HOME = "https://www.example.com/", SALE = "https://www.example.com/sale";
const IP = { "x-real-ip": "203.0.114.7" };
const code = async (response: Response) => (await response.json()).code;
const location = async (answer: Promise<Response>) => (await answer).headers.get("location");
const SECRET = { apikey: KEYS.secretKey };
const CHAT = { whatsapp: { phone_number_id: NUMBER.id, text: "Hallo" } };

linksTest(
  "links are not served from memory on a database too new for this code, and are served again afterwards",
  async (links) => {
    const made = await links.link({ default_url: HOME });
    assertEquals((await links.visit(made)).status, 302);
    await links.sql`insert into private.schema_breaks (version, why) values ('20991231000000', 'a test')`;
    try {
      await links.refresh().catch(() => {});
      for (let i = 0; i < 2; i++) {
        const refused = await links.visit(made);
        assertEquals([refused.status, await code(refused)], [503, "schema_too_new"]);
      }
      assertEquals((await links.call("")).body.code, "schema_too_new");
      forgetRefusal();
      // Also where nobody remembers the refusal: what was held is forgotten.
      assertEquals((await links.visit(made)).status, 503);
      await links.sql`delete from private.schema_breaks`;
      // A call that was under way before may bring the refusal once more.
      await until("the link is served again", async () => {
        forgetRefusal();
        return (await links.visit(made)).status === 302;
      });
    } finally {
      forgetRefusal();
    }
  },
);

linksTest("a visit is redirected with 302, not cached, and counted once", async (links) => {
  const made = await links.link({ default_url: HOME });
  const answer = await links.visit(made, {
    ...IP,
    referer: "https://News.example.org/a",
    "cf-ipcountry": "DE",
  });
  assertEquals(answer.status, 302);
  assertEquals(answer.headers.get("location"), HOME);
  assertEquals(answer.headers.get("cache-control"), "no-store");
  assertEquals(answer.headers.get("referrer-policy"), null, "the page with the link says what may be told");
  assertEquals(answer.headers.get("set-cookie"), null, "a link that needs no cookie sets none");
  await links.flush();
  const [click] = await links
    .sql`select code, verdict, reason, target, platform, country, referrer, token from clicks`;
  assertEquals({ ...click }, {
    code: made,
    verdict: "human",
    reason: null,
    target: "web",
    platform: "ios",
    country: "DE",
    referrer: "news.example.org",
    token: null,
  });
  const [counts] = await links.sql`select human::int, bot::int from click_counts`;
  assertEquals({ ...counts }, { human: 1, bot: 0 });
});

linksTest("a code ignores case and trailing punctuation of a text", async (links) => {
  await links.link({ default_url: HOME, code: "Spring-Sale" });
  for (const form of ["spring-sale", "SPRING-SALE", "spring-sale.", "spring-sale)", "spring-sale/"]) {
    assertEquals(await location(links.visit(form)), HOME, form);
  }
});

linksTest("an unusable link says why, each reason with its own code and status", async (links) => {
  const past = new Date(Date.now() - 60_000).toISOString(),
    future = new Date(Date.now() + 60_000).toISOString();
  const expired = await links.link({ default_url: HOME, expires_at: past });
  const early = await links.link({ default_url: HOME, starts_at: future });
  const off = await links.link({ default_url: HOME });
  await links.call(`/${off}`, { method: "PATCH", body: { state: "disabled" } });
  const abuse = await links.link({ default_url: HOME });
  await links.call(`/${abuse}`, { method: "PATCH", body: { state: "blocked" } });
  const gone = await links.link({ default_url: HOME });
  assertEquals((await links.call(`/${gone}`, { method: "DELETE" })).status, 204);
  const used = await links.link({ default_url: HOME, max_uses: 1 });
  await links.visit(used);
  const locked = await links.link({ default_url: HOME, password: "open sesame" });
  const moved = await links.link({ default_url: HOME });
  const cases: [string, number, string][] = [
    ["nosuchcode", 404, "link_not_found"],
    [expired, 410, "link_expired"],
    [early, 403, "link_not_started"],
    [off, 403, "link_disabled"],
    [abuse, 403, "link_blocked"],
    [gone, 410, "link_deleted"],
    [used, 410, "link_used_up"],
    [locked, 401, "link_password_required"],
  ];
  for (const [which, status, problem] of cases) {
    const answer = await links.visit(which);
    assertEquals([answer.status, await code(answer)], [status, problem]);
  }
  await links.sql`delete from destination_allowlist`;
  await links.refresh();
  assertEquals(await code(await links.visit(moved)), "link_blocked", "the allowlist is asked at each visit");
  await links.allow("www.example.com");
  const elsewhere = await links.link({ default_url: HOME, expires_at: past, expired_url: SALE });
  assertEquals(await location(links.visit(elsewhere)), SALE);
  await links.flush();
  const rows = await links.sql`select target from clicks where code = ${elsewhere}`;
  assertEquals(rows.map((row) => row.target), ["fallback"]);
});

linksTest(
  "500 concurrent visits of a link with 7 uses: exactly 7 succeed, bots and previews take none",
  async (links) => {
    const other = links.isolate();
    const made = await links.link({ default_url: HOME, max_uses: 7 });
    const agents = [IPHONE, ANDROID, WHATSAPP, "curl/8.7.1"];
    const visits = Array.from({ length: 1000 }, (_, i) => {
      const isolate = i % 2 === 0 ? links : other;
      return isolate.visit(made, { "user-agent": agents[i % 4 < 2 ? (i >> 2) % 2 : 2 + (i >> 2) % 2] });
    });
    const answers = await Promise.all(visits);
    const humans = answers.filter((_, i) => i % 4 < 2), others = answers.filter((_, i) => i % 4 >= 2);
    assertEquals(humans.filter(({ status }) => status === 302).length, 7);
    assertEquals(humans.filter(({ status }) => status === 410).length, 493);
    assertEquals(
      others.filter(({ status }) => status === 302 || status === 410).length,
      others.filter(({ status }) => status === 410).length,
    );
    for (const answer of others) assert(answer.headers.get("location") === null);
    const [{ uses }] = await links.sql`select uses from links`;
    assertEquals(uses, 7);
    await Promise.all([links.flush(), other.flush()]);
    const [{ n }] = await links.sql`select count(*)::int as n from clicks where verdict = 'human'`;
    assertEquals(n, 7);
  },
);

linksTest("raising the number of uses admits visitors again", async (links) => {
  const made = await links.link({ default_url: HOME, max_uses: 1 });
  await links.visit(made);
  assertEquals((await links.visit(made)).status, 410);
  await links.call(`/${made}`, { method: "PATCH", body: { max_uses: 2 } });
  assertEquals((await links.visit(made)).status, 302);
  assertEquals((await links.visit(made)).status, 410);
});

linksTest("without the database a limited link takes no use and admits nobody", async (links) => {
  const made = await links.link({ default_url: HOME, max_uses: 5 });
  await links.call(`/${made}`, { method: "GET", headers: { "user-agent": WHATSAPP } });
  links.away = true;
  assertEquals((await links.visit(made)).status, 503);
  links.away = false;
  assertEquals((await links.visit(made)).status, 302);
});

linksTest("clicks equal redirects, whatever happens to the database meanwhile", async (links) => {
  const made = await Promise.all(
    Array.from({ length: 5 }, (_, i) => links.link({ default_url: `${HOME}${i}` })),
  );
  for (const one of made) await links.visit(one);
  let redirects = made.length;
  for (let round = 0; round < 30; round++) {
    links.away = round % 3 === 1;
    // The answer to the next call is lost after the database has done its work.
    if (round % 5 === 2) links.loseAnswer("record_clicks");
    const answers = await Promise.all(made.map((one) => links.visit(one)));
    redirects += answers.filter(({ status }) => status === 302).length;
    // Clicks are sent in their own time: here while the database is away, and there when it is back.
    const sent = links.calls.get("record_clicks");
    if (round === 4 || round === 15) {
      await until("clicks are sent", () => links.calls.get("record_clicks") !== sent);
    }
  }
  links.away = false;
  assertEquals(redirects, 155, "no visitor is refused for want of the database");
  await links.flush();
  const [{ rows }] = await links.sql`select count(*)::int as rows from clicks`;
  const [{ counted }] = await links.sql`select sum(human)::int as counted from click_counts`;
  assertEquals([rows, counted], [redirects, redirects]);
});

linksTest("a batch of clicks sent twice is written once", async (links) => {
  const clicks = linesOf([{ code: "a", t: Date.now(), p: "ios" }]);
  const batch = crypto.randomUUID();
  for (let i = 0; i < 2; i++) await links.sql`select record_clicks(${batch}, 1, ${clicks})`;
  const [{ n }] = await links.sql`select count(*)::int as n from clicks`;
  assertEquals(n, 1);
});

linksTest("parts of a visit that cannot be stored are left out, without failing the batch", async (links) => {
  const made = await links.link({ default_url: HOME });
  for (const user of ["ada", "%00", "%ff", "%ud800", "a%20b"]) await links.visit(made, {}, `?u=${user}`);
  await links.flush();
  const users = await links.sql`select user_id from clicks order by user_id`;
  assertEquals(users.map((row) => row.user_id), ["%ud800", "ada", null, null, null]);
});

linksTest(
  "a cold link costs one database call however many visits are concurrent, a warm one none",
  async (links) => {
    const made = await links.link({ default_url: HOME });
    const cold = links.isolate();
    await cold.refresh();
    await Promise.all(Array.from({ length: 50 }, () => cold.visit(made)));
    assertEquals(cold.calls.get("get_links"), 1);
    await Promise.all(Array.from({ length: 50 }, () => cold.visit(made)));
    assertEquals(cold.calls.get("get_links"), 1);
    await cold.flush();
  },
);

linksTest("neighbours are loaded with a cold link, and those that changed are reloaded", async (links) => {
  const codes = Array.from({ length: 20 }, (_, n) => `near-${10 + n}`);
  for (const code of codes) await links.link({ default_url: HOME, code });
  const cold = links.isolate();
  await cold.refresh();
  assertEquals(await location(cold.visit(codes[0])), HOME);
  for (const code of codes) assertEquals(await location(cold.visit(code)), HOME);
  assertEquals(cold.calls.get("get_links"), 1);
  await links.call(`/${codes[5]}`, { method: "PATCH", body: { default_url: SALE } });
  await cold.refresh();
  assertEquals(await location(cold.visit(codes[5])), SALE);
  assertEquals(await location(cold.visit(codes[6])), HOME);
  assertEquals(cold.calls.get("get_links"), 2);
  await cold.flush();
});

linksTest(
  "another isolate sees a change with its next refresh, also of a formerly unknown code",
  async (links) => {
    const other = links.isolate();
    assertEquals((await other.visit("newcode")).status, 404);
    const made = await links.link({ default_url: HOME, code: "newcode" });
    await other.refresh();
    assertEquals((await other.visit(made)).status, 302);
    await links.call(`/${made}`, { method: "PATCH", body: { default_url: SALE } });
    assertEquals(await location(links.visit(made)), SALE, "whoever changed it sees it at once");
    assertEquals(await location(other.visit(made)), HOME);
    await other.refresh();
    assertEquals(await location(other.visit(made)), SALE);
    await links.sql`update links set default_url = ${HOME} where code = ${made}`;
    await other.refresh();
    assertEquals(await location(other.visit(made)), HOME, "also a change by hand");
  },
);

linksTest("a change that was uncommitted during a refresh is seen by a later one", async (links) => {
  const made = await links.link({ default_url: HOME });
  await links.visit(made);
  const late = await links.sql.reserve();
  await late`begin`;
  await late`update links set default_url = ${SALE} where code = ${made}`;
  // Younger transactions commit, and the isolate looks, before the older one is through.
  await links.link({ default_url: HOME });
  await links.refresh();
  assertEquals(await location(links.visit(made)), HOME);
  await late`commit`;
  late.release();
  await links.refresh();
  assertEquals(await location(links.visit(made)), SALE);
});

linksTest(
  "while the database is unavailable links keep working, and update when it is back",
  async (links) => {
    const made = await links.link({ default_url: HOME });
    await links.visit(made);
    links.away = true;
    await links.refresh();
    assertEquals((await links.visit(made)).status, 302);
    assertEquals(
      (await links.visit("unknown9")).status,
      503,
      "a link that is not held cannot be told from none",
    );
    links.away = false;
    await links.sql`update links set default_url = ${SALE} where code = ${made}`;
    await links.refresh();
    await links.refresh();
    assertEquals(await location(links.visit(made)), SALE);
  },
);

linksTest("visitors are distinguished for a day, and no address is stored anywhere", async (links) => {
  const made = await links.link({ default_url: HOME });
  for (const ip of ["203.0.114.7", "203.0.114.7", "203.0.114.8", "2001:db8::1"]) {
    await links.visit(made, { "x-real-ip": ip });
  }
  await links.visit(made, { ...IP, "user-agent": ANDROID });
  await links.visit(made, { ...IP, "user-agent": WHATSAPP });
  await links.visit("nosuch", IP);
  await links.flush();
  const { body } = await links.call(`/${made}/stats`);
  assertEquals(body.visitors, 4);
  assertEquals(body.clicks, { human: 5, bot: 0, preview: 1, prefetch: 0, own: 0 });
  const tables = await links
    .sql`select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname in ('public', 'private') and c.relkind = 'r'`;
  for (const { name } of tables) {
    const rows = await links.sql.unsafe(`select to_jsonb(t)::text as row from ${name} t`);
    for (const { row } of rows) assert(!/203\.0\.114|2001:db8/.test(row), `${name}: ${row}`);
  }
});

linksTest(
  "a code is found as it arrives: percent-encoded, in another script's text, with a query appended",
  async (links) => {
    await links.link({ code: "spring-24", default_url: HOME });
    const after = [
      "",
      "/",
      ".",
      "?",
      "%20",
      "%C2%A0",
      "%E2%80%8B",
      "%E2%80%8F",
      "%0A",
      "%22",
      "'",
      "%3E",
      "*",
      "~",
      "%E2%80%9D",
    ];
    const more = [
      "%E2%80%A6",
      "%E3%80%82",
      "%EF%BC%81",
      "%E3%81%A7%E3%81%99",
      "%3Futm_source=x",
      "&utm_source=soup",
      "%23top",
    ];
    for (const text of [...after, ...more, "!!!)", "%E2%80%8E.%E2%80%8F"]) {
      assertEquals((await links.visit(`spring-24${text}`)).status, 302, text);
    }
    for (
      const code of [
        "SPRING-24",
        "spring%2D24",
        "%73pring-24",
        "%22spring-24%22",
        "%E2%80%8Bspring-24",
        "%EF%BC%B3pring-24",
      ]
    ) {
      assertEquals((await links.visit(code)).status, 302, code);
    }
    for (const code of ["spring-24x", "spring-24.php", "%ff", "%E3%81%A7", "spring%2F24", "a".repeat(5000)]) {
      assertEquals((await links.visit(code)).status, 404, code);
    }
  },
);

/** What the guard was told: flag, arm, outcomes, failures. */
async function told(links: Links) {
  await links.flush();
  const rows = await links.sql`
    select flag_key, arm, sum(n)::int as n, sum(failed)::int as failed from public.flag_metrics
    group by flag_key, arm order by flag_key, arm`;
  return rows.map(({ flag_key, arm, n, failed }) => [flag_key, arm, n, failed]);
}

/** The query of a visitor whom a service with this secret vouches for. */
const signed = (user: string, secret = AUDIENCE.split(",")[1]) =>
  `?u=${user}&gl_sig=${createHmac("sha256", secret).update(user).digest("hex").slice(0, 32)}`;
const AUDIENCE = "secret of tomorrow,secret of today";

linksTest(
  "results of visits count for the guard, by flag and arm; one person once per minute",
  async (links) => {
    const made = await links.link({ default_url: HOME, targets: [{ url: SALE }], flag_key: "sale.enabled" });
    const limited = await links.link({ default_url: HOME, max_uses: 1 });
    await links.set("sale.enabled", "true", { rollout_percentage: 0, target_user_ids: ["ada"] });
    await links.visit(made, {}, signed("ada"));
    await links.visit(made, {}, signed("ada"));
    await links.visit(made, {}, signed("bob", "secret of tomorrow"));
    await links.visit(made, { "user-agent": "WhatsApp/2.23" }, signed("cleo"));
    // A link that cannot be used is no failure of links.
    await links.visit(limited, {}, signed("dora"));
    assertEquals(await code(await links.visit(limited, {}, signed("eve"))), "link_used_up");
    await links.sql`delete from public.destination_allowlist where pattern = 'www.example.com'`;
    await links.refresh();
    assertEquals(await code(await links.visit(made, {}, signed("eve"))), "link_blocked");
    await links.sql`update public.links set expires_at = now() - interval '1 hour' where code = ${made}`;
    await links.refresh();
    assertEquals(await code(await links.visit(made, {}, signed("eve"))), "link_expired");
    // The database's absence is one.
    await links.allow("www.example.com");
    const other = await links.link({ default_url: HOME, max_uses: 9 });
    await links.refresh();
    await links.visit(other, {}, signed("fay"));
    links.away = true;
    await links.visit(other, {}, signed("gil"));
    links.away = false;
    await links.set("deeplinks.enabled", "false");
    await links.visit(other, {}, signed("hal"));
    assertEquals(await told(links), [
      ["deeplinks.enabled", "off", 1, 0],
      ["deeplinks.enabled", "on", 5, 1],
      ["sale.enabled", "off", 1, 0],
      ["sale.enabled", "on", 1, 0],
    ]);
    const evaluated = await links.sql`select flag_key from public.flag_evaluations order by flag_key`;
    assertEquals(evaluated.map(({ flag_key }) => flag_key), ["deeplinks.enabled", "sale.enabled"]);
  },
  { AUDIENCE_SECRET: AUDIENCE },
);

linksTest("made-up people are no evidence, and many from one address count little", async (links) => {
  const made = await links.link({ default_url: HOME });
  await links.set("deeplinks.enabled", "true", { rollout_percentage: 50 });
  const forged = [
    "",
    "&gl_sig=",
    `&gl_sig=${"0".repeat(32)}`,
    signed("ada", "a guess").slice(6),
    "&gl_sig=%00",
  ];
  for (const sig of forged) await links.visit(made, IP, `?u=ada${sig}`);
  // The signature of another id.
  await links.visit(made, IP, signed("ada").replace("u=ada", "u=bob"));
  assertEquals(await told(links), []);

  // A cookie that we did not sign is none: its visitor is a new one, like whoever comes without.
  const forger = await links.visit(made, { ...IP, cookie: `gl_visitor=${"a".repeat(16)}.${"0".repeat(16)}` });
  assertMatch(forger.headers.get("set-cookie")!, /^gl_visitor=/);
  const counted = async () => (await told(links)).reduce((sum, [, , n]) => sum + (n as number), 0);
  assertEquals(await counted(), 1);
  const ours = forger.headers.get("set-cookie")!.split(";")[0];
  assertEquals((await links.visit(made, { ...IP, cookie: ours })).headers.get("set-cookie"), null);

  for (let i = 0; i < 60; i++) await links.visit(made, IP);
  assert(await counted() <= 2 * 20, "of one address, in the two minutes that this may have taken");
  const before = await counted();
  for (let i = 0; i < 60; i++) await links.visit(made, { "x-real-ip": `2001:db8:7:${i.toString(16)}::1` });
  assert(await counted() <= before + 2 * 20, "of one site of IPv6");
  const others = await counted();
  await links.visit(made, { "x-real-ip": "203.0.114.99" });
  assertEquals(await counted(), others + 1, "of others");
}, { AUDIENCE_SECRET: AUDIENCE });

linksTest("with the flag off visitors go to the default, and return once it is on", async (links) => {
  const made = await links.link({ default_url: HOME, targets: [{ url: SALE }], ...CHAT });
  assertEquals(await location(links.visit(made)), SALE);
  await links.set("deeplinks.enabled", "false");
  assertEquals(await location(links.visit(made)), HOME);
  await links.set("deeplinks.enabled", "true", { rollout_percentage: 0, target_user_ids: ["ada"] });
  assertEquals(await location(links.visit(made)), HOME);
  assertEquals(await location(links.visit(made, {}, "?u=ada")), SALE);
  await links.set("deeplinks.enabled", "true", { rollout_percentage: 50 });
  const first = await links.visit(made);
  const cookie = first.headers.get("set-cookie")!;
  assertMatch(
    cookie,
    /^gl_visitor=[a-z2-7]{16}\.[0-9a-f]{16}; Path=\/; Max-Age=15552000; SameSite=Lax; HttpOnly; Secure$/,
  );
  for (let i = 0; i < 10; i++) {
    const again = await links.visit(made, { cookie: cookie.split(";")[0] });
    assertEquals(again.headers.get("location"), first.headers.get("location"), "the same arm each time");
    assertEquals(again.headers.get("set-cookie"), null);
  }
});

linksTest(
  "a person's tap on a chat gets its own token; bots, previews and prefetches get none",
  async (links) => {
    const made = await links.link(CHAT);
    const texts = new Set<string>();
    for (let i = 0; i < 5; i++) {
      const url = new URL((await location(links.visit(made)))!);
      assertEquals(url.origin + url.pathname, `https://wa.me/${NUMBER.display}`);
      assertMatch(url.searchParams.get("text")!, /^Hallo\n\n\[ref:[a-z2-7]{16}\]$/);
      texts.add(url.searchParams.get("text")!);
    }
    assertEquals(texts.size, 5);
    assertEquals(
      await location(links.visit(made, { "user-agent": WHATSAPP })),
      `https://wa.me/${NUMBER.display}?text=Hallo`,
    );
    assertEquals((await links.visit(made, { "sec-purpose": "prefetch" })).status, 403);
    await links.set("deeplinks.text_template", "{ref} {text}");
    assertMatch(
      new URL((await location(links.visit(made)))!).searchParams.get("text")!,
      /^\[ref:[a-z2-7]{16}\] Hallo$/,
    );
    await links.flush();
    const [{ tokens }] = await links.sql`select count(distinct token)::int as tokens from clicks`;
    assertEquals(tokens, 6);
  },
);

linksTest(
  "Accept: application/json returns the decision, and explain=1 with a key the reasons, without counting",
  async (links) => {
    const made = await links.link({
      default_url: HOME,
      max_uses: 1,
      targets: [{ when: { platform: "android" }, url: SALE }],
    });
    const asked = await links.call(`/${made}?explain=1`, { headers: { "user-agent": IPHONE } });
    assertEquals(asked.status, 200);
    assertEquals([asked.body.url, asked.body.because], [HOME, "default"]);
    assertEquals(asked.body.findings.at(-1), { what: "target 0", holds: false, why: "platform" });
    assertEquals((await links.call(`/${made}?explain=1`, { open: true })).status, 401);
    assertEquals(
      (await links.call(`/${made}?explain=1`, { open: true, headers: { apikey: KEYS.publishableKey } }))
        .status,
      403,
    );
    const [{ uses }] = await links.sql`select uses from links where code = ${made}`;
    assertEquals(uses, 0);
    const answer = await links.visit(made, { accept: "application/json" });
    assertEquals(await answer.json(), { code: made, kind: "web", url: HOME, because: "default" });
    const over = await links.visit(made, { accept: "application/json" });
    assertEquals([over.status, over.headers.get("content-type")], [410, "application/problem+json"]);
    await links.flush();
    const [{ n }] = await links.sql`select count(*)::int as n from clicks`;
    assertEquals(n, 1);
  },
);

linksTest("HEAD is answered like GET, takes no use and does not count as human", async (links) => {
  const made = await links.link({ default_url: HOME });
  const answer = await links.call(`/${made}`, {
    method: "HEAD",
    open: true,
    headers: { "user-agent": IPHONE },
  });
  assertEquals([answer.status, answer.headers.get("location"), answer.body], [302, HOME, ""]);
  await links.flush();
  const [{ verdict, reason }] = await links.sql`select verdict, reason from clicks`;
  assertEquals([verdict, reason], ["preview", "head"]);
});

const htmlTest = (name: string, test: (links: Links) => Promise<void>) =>
  linksTest(name, test, { LINK_HTML: "true" });

htmlTest(
  "where HTML can be served, messengers get a preview, apps a page with a way back, passwords a form",
  async (links) => {
    await links.set("deeplinks.app_schemes", "myapp");
    const preview = { title: 'Spring "sale"', description: "Now", image: `${HOME}a.png` };
    const shown = await links.link({ default_url: HOME, preview });
    const read = await (await links.visit(shown, { "user-agent": WHATSAPP })).text();
    assertMatch(read, /<meta property="og:title" content="Spring &#34;sale&#34;">/);
    assertEquals(await location(links.visit(shown)), HOME, "a human is sent on");
    const app = await links.link({ default_url: HOME, targets: [{ app: { url: "myapp://p/1" } }] });
    const page = await links.visit(app);
    assertEquals([page.status, page.headers.get("content-type")], [200, "text/html; charset=utf-8"]);
    assertMatch(
      page.headers.get("content-security-policy")!,
      /default-src 'none'; style-src 'nonce-[a-z2-7]{16}'/,
    );
    assertMatch(await page.text(), /location\.href="myapp:\/\/p\/1\?gl_token=[a-z2-7]{16}"/);
    const locked = await links.link({ default_url: HOME, password: "open sesame" });
    const form = await links.visit(locked);
    assertEquals(form.status, 401);
    assertMatch(await form.text(), /<input type="password" name="password"/);
    const pages = [await links.visit(shown, { "user-agent": WHATSAPP }), page, form];
    pages.push(await links.visit("nosuchcode", { accept: "text/html" }));
    for (const { status, headers } of pages) {
      assertMatch(headers.get("content-security-policy")!, /; frame-ancestors 'none'$/, String(status));
      assertEquals(headers.get("x-frame-options"), "DENY", String(status));
    }
    for (const { bodyUsed, body } of pages) if (!bodyUsed) await body?.cancel();
  },
);

htmlTest(
  "where HTML can be served, people read why a link cannot be used, and programs get JSON as before",
  async (links) => {
    const BROWSER = { accept: "text/html,application/xhtml+xml,*/*;q=0.8" };
    const past = new Date(Date.now() - 60_000).toISOString();
    const expired = await links.link({ default_url: HOME, expires_at: past });
    const off = await links.link({ default_url: HOME });
    await links.call(`/${off}`, { method: "PATCH", body: { state: "disabled" } });
    const used = await links.link({ default_url: HOME, max_uses: 1 });
    await links.visit(used);
    const cases: [string, number, string, string][] = [
      ["nosuchcode", 404, "This link does not exist", "link_not_found"],
      [expired, 410, "This link has expired", "link_expired"],
      [off, 403, "This link is turned off", "link_disabled"],
      [used, 410, "This link has reached its maximum number of uses", "link_used_up"],
    ];
    for (const [code, status, title, problem] of cases) {
      const answer = await links.visit(code, BROWSER);
      assertEquals([answer.status, answer.headers.get("content-type")], [status, "text/html; charset=utf-8"]);
      assertEquals(answer.headers.get("cache-control"), "no-store");
      assertMatch(await answer.text(), new RegExp(`<title>${title}</title>.*<h1>${title}</h1><p>[A-Z]`));
      assertEquals((await (await links.visit(code)).json()).code, problem, "without Accept");
      assertEquals((await (await links.visit(code, { accept: "application/json" })).json()).code, problem);
    }
    await Promise.all(Array.from({ length: 21 }, (_, i) => links.visit(`walk-${i}`, IP)));
    const refused = await links.visit(off, { ...IP, ...BROWSER });
    assertEquals(refused.status, 429);
    assertMatch(refused.headers.get("retry-after")!, /^\d+$/);
    assertMatch(await refused.text(), /Too many requests/);
    assertEquals((await links.visit("nosuchcode", { ...BROWSER, "sec-purpose": "prefetch" })).status, 404);
  },
);

linksTest("addresses that cannot be read say so, and do not count as unknown codes", async (links) => {
  for (const [path, allow] of [["/claim", "OPTIONS, POST"], ["/bulk", "OPTIONS, PATCH, POST"]]) {
    const answer = await links.call(path, { open: true });
    assertEquals([answer.status, answer.body.code, answer.headers.get("allow")], [
      405,
      "method_not_allowed",
      allow,
    ]);
  }
  await links.flush();
  assertEquals([...await links.sql`select code from orphan_visits`], []);
});

linksTest("HTML is served on the link domain and not elsewhere", async (links) => {
  const code = await links.link({ default_url: HOME, preview: { title: "Sale" } });
  const options = { open: true, headers: { "user-agent": WHATSAPP } };
  const { status, body } = await links.call(`/l/${code}`, { ...options, root: true });
  assertEquals(status, 200);
  assertMatch(body, /<meta property="og:title" content="Sale">/);
  assertEquals((await links.call(`/${code}`, options)).status, 302);
}, { LINK_DOMAIN: "ref.example.co/l" });

linksTest(
  "a preview has the link's own address, not that of the function behind its domain",
  async (links) => {
    const code = await links.link({ default_url: HOME, preview: { title: "Sale" } });
    const read = await (await links.visit(code, { "user-agent": WHATSAPP })).text();
    assertMatch(read, new RegExp(`<meta property="og:url" content="https://go\\.example\\.com/${code}">`));
  },
  { LINK_DOMAIN: "go.example.com", LINK_HTML: "true" },
);

linksTest(
  "a universal link with a fallback gets a page with both on a phone, without a script that opens it",
  async (links) => {
    await links.allow("apps.apple.com");
    const fallback = "https://apps.apple.com/app/id123456789";
    const app = { url: `${HOME}p/7`, fallback };
    const code = await links.link({ default_url: HOME, targets: [{ app }] });
    const phone = await links.visit(code);
    const html = await phone.text();
    assertEquals(phone.status, 200);
    assertMatch(html, /<a rel="nofollow" href="https:\/\/www\.example\.com\/p\/7\?gl_token=[a-z2-7]{16}">/);
    assert(html.includes(`<a rel="nofollow" href="${fallback}">`) && !html.includes("<script"), html);
    const mac =
      "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.5 Safari/605.1.15";
    assertMatch(
      (await location(links.visit(code, { "user-agent": mac })))!,
      /^https:\/\/www\.example\.com\/p\/7\?/,
    );
    const json = await links.visit(code, { accept: "application/json" });
    assertEquals((await json.json()).otherwise, fallback);
  },
  { LINK_HTML: "true" },
);

linksTest("where HTML cannot be served, such links are plain redirects", async (links) => {
  await links.set("deeplinks.app_schemes", "myapp");
  const shown = await links.link({ default_url: HOME, preview: { title: "Sale" } });
  assertEquals(await location(links.visit(shown, { "user-agent": WHATSAPP })), HOME);
  const app = await links.link({ default_url: HOME, targets: [{ app: { url: "myapp://p/1" } }] });
  assertMatch((await location(links.visit(app)))!, /^myapp:\/\/p\/1\?gl_token=[a-z2-7]{16}$/);
  const limited = await links.link({
    default_url: HOME,
    max_uses: 1,
    preview: { title: "Sale", description: "Now" },
  });
  const answer = await links.visit(limited, { "user-agent": WHATSAPP });
  assertEquals([answer.status, answer.headers.get("content-type"), await answer.text()], [
    200,
    "text/plain; charset=utf-8",
    "Sale\nNow\n",
  ]);
});

linksTest("the link domain's files come from the settings, as JSON and without a redirect", async (links) => {
  const prints = Array(32).fill("AB").join(":");
  await links.set(
    "deeplinks.apps",
    JSON.stringify({
      ios: [{ app_id: "ABCDE12345.com.example.app" }, { app_id: "ABCDE12345.com.example.two" }],
      android: [{ package: "com.example.app", sha256: [prints] }],
    }),
  );
  const apple = await links.call("/.well-known/apple-app-site-association", { open: true });
  assertEquals([apple.status, apple.headers.get("content-type")], [200, "application/json"]);
  assertEquals(apple.body.applinks.details.length, 2);
  const google = await links.call("/.well-known/assetlinks.json", { open: true });
  assertEquals(google.body[0].target.package_name, "com.example.app");
  assertEquals((await links.call("/.well-known/other", { open: true })).status, 404);
});

linksTest("the kill switch sends visitors to the default and stops management", async (links) => {
  const made = await links.link({ default_url: HOME, targets: [{ url: SALE }] });
  Deno.env.set("DEEPLINKS_ENABLED", "false");
  try {
    const fresh = links.isolate();
    assertEquals(await location(fresh.visit(made)), HOME);
    assertEquals(
      (await fresh.call("", { method: "POST", body: { default_url: HOME }, headers: SECRET })).status,
      503,
    );
    await fresh.flush();
  } finally {
    Deno.env.delete("DEEPLINKS_ENABLED");
  }
});
