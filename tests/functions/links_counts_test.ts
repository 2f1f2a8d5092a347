/** Figures of links over time, an app's first open, and how the database finds what it looks for. */
import { assert, assertEquals } from "../support/assert.ts";
import type { Sql } from "postgres";
import { type Click, ClickLines, linesOf } from "../../supabase/functions/_shared/links/clicks/lines.ts";
import { databaseTest } from "../support/database.ts";
import { ANDROID, IPHONE, type Links, linksTest, NUMBER } from "../support/links.ts";
import { until } from "../support/until.ts";

const HOME = "https://www.example.com/";
const DAY = 86_400_000;

async function link(sql: Sql, code = "poster22"): Promise<void> {
  await sql`insert into links (code, request_hash, default_url) values (${code}, 'h', ${HOME})`;
}

async function clicks(sql: Sql, ...rows: Partial<Click>[]): Promise<void> {
  const all = rows.map((row): Click => ({
    code: "poster22",
    t: Date.now(),
    p: "ios",
    h: "00000000000000aa",
    ...row,
  }));
  await sql`select record_clicks(${crypto.randomUUID()}, 3, ${linesOf(all)})`;
}

const stats = async (sql: Sql) => {
  const [{ stats }] = await sql`select link_stats('poster22', current_date - 400, current_date) as stats`;
  return stats;
};

databaseTest("a roll-up gives the same figures as the clicks, also when repeated", async (sql) => {
  await link(sql);
  const yesterday = Date.now() - DAY;
  await clicks(
    sql,
    { t: yesterday, y: "DE", f: "a.example" },
    { t: yesterday, y: "DE" },
    { t: yesterday, y: "FR", h: "00000000000000bb", p: "android", k: "whatsapp" },
    { t: yesterday, v: "bot", r: "curl" },
    { t: Date.now() },
  );
  const before = await stats(sql);
  assertEquals([before.clicks, before.visitors], [{ human: 4, bot: 1, preview: 0, prefetch: 0, own: 0 }, 3]);
  for (let i = 0; i < 2; i++) {
    const [{ n }] = await sql`select private.roll_up_clicks(now())::int as n`;
    assertEquals(n, i === 0 ? 1 : 0);
    assertEquals(await stats(sql), before);
  }
  const [{ slots }] = await sql`select count(*)::int as slots from click_counts`;
  assertEquals(slots, 1, "today's");
});

databaseTest(
  "a roll-up of many links and days in parts changes no figure at any time",
  async (sql) => {
    const codes = Array.from({ length: 12 }, (_, i) => `poster-${i}`);
    for (const code of codes) await link(sql, code);
    const rows: Partial<Click>[] = [];
    for (let i = 0; i < 900; i++) {
      rows.push({
        // Of the first link so many referrers that not all are kept, some as often as others.
        code: codes[i % 3 === 0 ? 0 : i * i % 12],
        t: Date.now() - (i % 4) * DAY,
        v: i % 7 === 0 ? "bot" : i % 11 === 0 ? "preview" : undefined,
        p: ["ios", "android", "linux"][i % 5 % 3],
        k: i % 2 === 0 ? "whatsapp" : undefined,
        y: ["DE", "FR", undefined][i % 3],
        f: i % 13 === 0 ? undefined : `r${i % 97}.example`,
        h: (i % 29).toString(16).padStart(16, "0"),
      });
    }
    rows.push({ code: codes[1], t: Date.now() - DAY, v: "bot", h: undefined });
    await clicks(sql, ...rows);
    const figures = () =>
      Promise.all(codes.map(async (code) => {
        const [{ stats }] = await sql`select link_stats(${code}, current_date - 9, current_date) as stats`;
        return stats;
      }));
    const before = await figures();
    const [{ open }] = await sql`
    select count(distinct (code, day))::int as open from click_counts where day < (now() at time zone 'UTC')::date`;
    const [{ first }] = await sql`select private.roll_up_clicks(now(), 5)::int as first`;
    assertEquals(first, 5);
    assertEquals(await figures(), before);
    const [{ rest }] = await sql`select private.roll_up_clicks(now())::int as rest`;
    assertEquals(first + rest, open);
    assertEquals(await figures(), before);
    const [{ kept }] = await sql`
    select max((select count(*) from jsonb_object_keys(d.referrers)))::int as kept from click_days d`;
    assertEquals(kept, 50);
  },
);

databaseTest("a click that arrives after its day's roll-up is still counted", async (sql) => {
  await link(sql);
  await clicks(sql, { t: Date.now() - DAY });
  await sql`select private.roll_up_clicks(now())`;
  await clicks(sql, { t: Date.now() - DAY, h: "00000000000000bb" });
  assertEquals([(await stats(sql)).clicks.human, (await stats(sql)).visitors], [2, 2]);
  await sql`select private.roll_up_clicks(now())`;
  assertEquals([(await stats(sql)).clicks.human, (await stats(sql)).visitors], [2, 2]);
});

databaseTest(
  "a purge removes old rolled-up clicks and keys only, and keeps the figures",
  async (sql) => {
    await link(sql);
    await clicks(sql, { t: Date.now() - 100 * DAY }, { t: Date.now() - 5 * DAY }, {});
    await sql`insert into private.visitor_keys (day) values (current_date - 3), (current_date)`;
    await sql`insert into orphan_visits values (current_date - 100, 'x', 1), (current_date, 'y', 1)`;
    const left = async () => (await sql`select from clicks`).length;
    await sql`select private.purge_clicks(now())`;
    assertEquals(await left(), 3);
    await sql`select private.roll_up_clicks(now())`;
    await sql`select private.purge_clicks(now())`;
    assertEquals(await left(), 2);
    assertEquals((await stats(sql)).clicks.human, 3);
    assertEquals((await sql`select from private.visitor_keys`).length, 1);
    assertEquals((await sql`select code from orphan_visits`).map((row) => row.code), ["y"]);
    await sql`insert into settings (key, value) values ('retention.click_days', '2')`;
    await sql`select private.purge_clicks(now())`;
    assertEquals(await left(), 1);
  },
);

function repeat(sql: Sql, batch: string, ...rows: (Partial<Click> & { c: number })[]) {
  const lines = new ClickLines();
  for (const { c, ...row } of rows) {
    lines.add({ code: "poster22", t: Date.now(), p: "ios", h: "00000000000000aa", ...row }, c);
  }
  return sql`select record_repeats(${batch}, 3, ${lines.text()})`;
}

databaseTest(
  "a repetition counted on a click's row counts in every figure, once however often it is sent",
  async (sql) => {
    await link(sql);
    const t = Date.now() - DAY;
    await clicks(
      sql,
      { t, y: "DE", f: "a.example" },
      { t, y: "DE", f: "a.example" },
      { t: t + 1, h: "00000000000000bb", o: "abcdefgh234567ab", k: "whatsapp" },
      { t, v: "bot", r: "curl", h: undefined },
    );
    const batch = crypto.randomUUID();
    for (let i = 0; i < 2; i++) {
      await repeat(
        sql,
        batch,
        { t, c: 10 },
        { t: t + 1, h: "00000000000000bb", o: "abcdefgh234567ab", k: "whatsapp", c: 5 },
        { t, v: "bot", r: "curl", h: undefined, c: 100 },
        // Its own row was lost.
        { t: t + 7, h: "00000000000000cc", c: 3 },
      );
    }
    assertEquals(
      (await sql`select visits from clicks order by at, verdict, visits`).map(({ visits }) => visits),
      [
        101,
        1,
        11,
        6,
        3,
      ],
    );
    const before = await stats(sql);
    assertEquals(before.clicks, { human: 21, bot: 101, preview: 0, prefetch: 0, own: 0 });
    assertEquals([before.visitors, before.targets, before.countries, before.referrers], [
      3,
      { web: 15, whatsapp: 6 },
      { DE: 12, "": 9 },
      { "a.example": 12, "": 9 },
    ]);
    await sql`select private.roll_up_clicks(now())`;
    assertEquals(await stats(sql), before, "rolled up");
    const measured =
      await sql`select label, n::int from measurements where name = 'clicks' and minute = '-infinity' order by label`;
    assertEquals(measured.map(({ label, n }) => [label, n]), [["bot web", 100], ["human web", 13], [
      "human whatsapp",
      5,
    ]]);
  },
);

databaseTest(
  "repetitions that fit the same row are all counted on it, and its other columns stay",
  async (sql) => {
    await link(sql);
    const t = Date.now();
    await clicks(sql, { t, y: "DE", o: "abcdefgh234567ab", q: "1", n: "2" }, { t, o: "abcdefgh234567ac" });
    const [before] = await sql`select *, visits - 1 as visits from clicks where country = 'DE'`;
    await repeat(
      sql,
      crypto.randomUUID(),
      ...[1, 2, 4].map((c) => ({ t, o: "abcdefgh234567ab", c })),
      // A row that was lost comes with all that is known of it.
      ...[8, 16].map((c) => ({
        t: t + 1,
        y: "FR",
        f: "a.example",
        u: "ann",
        g: "00000000000000bb",
        q: "1",
        n: "3",
        c,
      })),
    );
    assertEquals((await sql`select *, visits - 8 as visits from clicks where country = 'DE'`)[0], before);
    const lost = await sql`
    select verdict, target, platform, referrer, user_id, fingerprint::int, qr, rule, visits
    from clicks where country = 'FR' order by visits`;
    assertEquals(lost.reduce((sum, { visits }) => sum + visits, 0), 24);
    assertEquals({ ...lost[0], visits: 0 }, {
      verdict: "human",
      target: "web",
      platform: "ios",
      referrer: "a.example",
      user_id: "ann",
      fingerprint: 0xbb,
      qr: true,
      rule: 3,
      visits: 0,
    });
    assertEquals((await sql`select sum(human)::int as n from click_counts`)[0].n, 33);
  },
);

databaseTest(
  "repetitions are added in any order and concurrently, and no row waits forever",
  async (sql) => {
    await link(sql);
    const t = Date.now();
    const rows = Array.from({ length: 10 }, (_, i) => ({ t: t + i, h: `00000000000000a${i}` }));
    await clicks(sql, ...rows);
    await Promise.all(Array.from({ length: 20 }, (_, turn) =>
      repeat(
        sql,
        crypto.randomUUID(),
        ...(turn % 2 ? rows : rows.toReversed()).map((row) => ({ ...row, c: 2 })),
      )));
    const [{ rows: n, visits }] =
      await sql`select count(*)::int as rows, sum(visits)::int as visits from clicks`;
    assertEquals([n, visits, (await stats(sql)).clicks.human], [10, 410, 410]);
  },
);

linksTest("a visitor gets 60 rows per hour on a link, and every visit counts", async (links) => {
  links.time = Math.floor(Date.now() / 3_600_000) * 3_600_000 + 1000;
  const web = await links.link({ default_url: HOME });
  const chat = await links.link({ default_url: HOME, whatsapp: { phone_number_id: NUMBER.id } });
  const tokens = new Set<string>();
  const visit = async (code: string, headers = {}, query = "") => {
    const answer = await links.visit(code, { "x-real-ip": "203.0.114.7", ...headers }, query);
    assertEquals(answer.status, 302);
    const [token] = /[a-z2-7]{16}/.exec(decodeURIComponent(answer.headers.get("location")!)) ?? [];
    if (token !== undefined) tokens.add(token);
  };
  for (let i = 0; i < 90; i++) {
    await visit(web);
    await visit(chat);
    if (i === 70) await links.flush();
    links.time += 10;
  }
  for (let i = 0; i < 70; i++) {
    await visit(web, { "user-agent": "curl/8.5.0", "x-real-ip": `198.51.100.${i}` });
  }
  // Somebody else, and somebody whom the link names.
  await visit(web, { "x-real-ip": "203.0.114.8" });
  await visit(web, {}, "?u=ada");
  await links.flush();
  const rows = async (code: string) => {
    const [found] = await links.sql`
      select count(*) filter (where verdict = 'human')::int as human, count(*) filter (where verdict = 'bot')::int as bot,
        sum(visits)::int as visits from clicks where code = ${code}`;
    return [found.human, found.bot, found.visits];
  };
  assertEquals(await rows(web), [62, 60, 162]);
  assertEquals(await rows(chat), [60, 0, 90]);
  const known = await links.sql`select token from clicks where token is not null`;
  assertEquals(
    known.map(({ token }) => token).sort(),
    [...tokens].sort(),
    "every token that was handed on is found",
  );
  const { body } = await links.call(`/${web}/stats`);
  assertEquals([body.clicks.human, body.clicks.bot, body.visitors], [92, 70, 2]);

  links.time += 3_600_000;
  await visit(web);
  await links.flush();
  assertEquals((await rows(web))[0], 63, "an hour later");
});

linksTest("without an address visitors are never confused: each click has its own row", async (links) => {
  const code = await links.link({ default_url: HOME });
  for (let i = 0; i < 70; i++) await links.visit(code);
  await links.flush();
  assertEquals((await links.sql`select from clicks`).length, 70);
});

databaseTest("isolates that count in one slot at the same moment lose nothing", async (sql) => {
  await link(sql);
  await link(sql, "flyer222");
  const batch = (turn: number) =>
    Array.from({ length: 20 }, (_, i) => ({ code: (i + turn) % 2 === 0 ? "poster22" : "flyer222" }));
  await Promise.all(Array.from({ length: 40 }, (_, turn) => clicks(sql, ...batch(turn))));
  const [{ rows, counted }] = await sql`
    select (select count(*) from clicks)::int as rows, (select sum(human) from click_counts)::int as counted`;
  assertEquals([rows, counted], [800, 800]);
});

databaseTest("clicks are written whatever columns a team gives them", async (sql) => {
  await link(sql);
  await sql`alter table clicks add column note text default 'none'`;
  const row = { t: Date.now() };
  await clicks(sql, row);
  for (const v of [undefined, "bot"] as const) {
    const lines = new ClickLines();
    lines.add({ code: "poster22", p: "ios", h: "00000000000000aa", ...row, v }, 3);
    await sql`select record_repeats(${crypto.randomUUID()}, 3, ${lines.text()})`;
  }
  assertEquals(
    [...await sql`select verdict, visits, note from clicks order by verdict desc`],
    [{ verdict: "human", visits: 4, note: "none" }, { verdict: "bot", visits: 3, note: "none" }],
  );
});

databaseTest("the clock rolls up and purges", async (sql) => {
  const jobs = await sql`select name from private.clock_jobs()`;
  const names = jobs.map((job) => job.name);
  assert(names.includes("gatelink_roll_up_clicks") && names.includes("gatelink_purge_clicks"));
  for (const { target } of await sql`select target from private.clock_jobs() where kind = 'sql'`) {
    await sql.unsafe(target);
  }
});

databaseTest("codes: 8 characters without look-alikes, evenly distributed", async (sql) => {
  const rows = await sql`select private.new_link_code() as code from generate_series(1, 5000)`;
  const counts = new Map<string, number>();
  for (const { code } of rows) {
    assert(/^[23456789abcdefghjkmnpqrstuvwxyz]{8}$/.test(code), code);
    for (const character of code) counts.set(character, (counts.get(character) ?? 0) + 1);
  }
  assertEquals(new Set(rows.map((row) => row.code)).size, 5000);
  assertEquals(counts.size, 31);
  for (const [character, n] of counts) assert(Math.abs(n - 40_000 / 31) < 200, `${character}: ${n}`);
});

/** What an app's first open says, after a visit of the link by somebody with this address. */
async function firstOpen(links: Links, body: unknown, ip = "203.0.114.7", program = "Example/1 CFNetwork/1") {
  const { status, body: answer } = await links.call("/claim", {
    method: "POST",
    body,
    open: true,
    headers: { "x-real-ip": ip, "user-agent": program },
  });
  return status === 200 ? answer : answer.code;
}

linksTest("an app's first open claims its click once: by token, referrer or clipboard", async (links) => {
  await links.set("deeplinks.app_schemes", "myapp");
  await links.allow("play.google.com");
  const store = "https://play.google.com/store/apps/details?id=com.example.app";
  const code = await links.link({
    default_url: HOME,
    external_id: "ad-7",
    targets: [{ store }],
    tags: ["a"],
  });
  const referrer = async () => {
    const url = new URL(
      (await links.visit(code, { "user-agent": ANDROID }, "?u=ada")).headers.get("location")!,
    );
    await links.flush();
    return url.searchParams.get("referrer")!;
  };
  const found = await firstOpen(links, { install_referrer: `utm_source=x&${await referrer()}` });
  const { clicked_at, ...rest } = found;
  assertEquals(rest, {
    code,
    confidence: "exact",
    user_id: "ada",
    url: HOME,
    link: { code, external_id: "ad-7", tags: ["a"], utm: {} },
  });
  assert(Math.abs(Date.parse(clicked_at) - Date.now()) < 60_000);
  const token = (await referrer()).replace("gl_token=", "");
  const [one, two] = await Promise.all([firstOpen(links, { token }), firstOpen(links, { token })]);
  assertEquals(
    [one.code, two],
    [code, one],
    "whoever has the token gets the same answer, at the same moment too",
  );
  assertEquals(
    (await firstOpen(links, { clipboard: `https://go.example.com/x?${await referrer()}` })).code,
    code,
  );
  const copied = (await referrer()).replace("gl_token=", "");
  for (const clipboard of [`Hello! [ref:${copied}]`, `\n ${copied.toUpperCase()} `, `［ref： ${copied}］`]) {
    assertEquals((await firstOpen(links, { clipboard })).code, code, clipboard);
  }
  for (
    const body of [{ token: "aaaaaaaaaaaaaaaa" }, { clipboard: "hello" }, {
      install_referrer: "utm_source=x",
    }]
  ) {
    assertEquals(await firstOpen(links, body), "claim_unknown");
  }
  assertEquals(await firstOpen(links, {}), "invalid_request");
  assertEquals(await firstOpen(links, null), "invalid_request");
});

linksTest(
  "a fingerprint claims a click only if the link allows it, from a unique address, and unambiguously",
  async (links) => {
    await links.set("deeplinks.app_schemes", "myapp");
    const targets = [{ app: { url: "myapp://p" } }];
    const code = await links.link({ default_url: HOME, targets, fingerprint: true });
    const shy = await links.link({ default_url: HOME, targets });
    const other = await links.link({ default_url: HOME, targets, fingerprint: true });
    const visit = async (which: string, ip: string) => {
      await links.visit(which, { "x-real-ip": ip, "user-agent": IPHONE });
      await links.flush();
    };
    const open = { fingerprint: { platform: "ios" } };
    await visit(code, "203.0.114.7");
    assertEquals(await firstOpen(links, open, "203.0.114.8"), "claim_unknown");
    assertEquals(await firstOpen(links, { fingerprint: { platform: "android" } }), "claim_unknown");
    const found = await firstOpen(links, open);
    assertEquals([found.code, found.confidence], [code, "fingerprint"]);
    assertEquals(await firstOpen(links, open), found, "the same program in the same network asks again");
    assertEquals(
      await firstOpen(links, open, undefined, "Example/2 CFNetwork/1"),
      "claim_unknown",
      "each click once",
    );
    await visit(shy, "203.0.114.9");
    assertEquals(await firstOpen(links, open, "203.0.114.9"), "claim_unknown");
    await visit(code, "203.0.114.10");
    await visit(other, "203.0.114.10");
    assertEquals(await firstOpen(links, open, "203.0.114.10"), "claim_unknown", "two links in question");
    for (const ip of ["100.64.0.9", "10.0.0.9", "192.168.0.9"]) {
      await visit(code, ip);
      assertEquals(await firstOpen(links, open, ip), "claim_unknown");
    }
    const [{ n }] = await links.sql`select count(*)::int as n from clicks where fingerprint is not null`;
    assertEquals(n, 3, "no fingerprint of a shared address, nor of a link that does not want one");
    assertEquals(await firstOpen(links, { fingerprint: { platform: "toaster" } }), "invalid_request");
  },
);

linksTest("a token gets the same answer for an hour, then none", async (links) => {
  const targets = [{ app: { url: "https://www.example.com/p/7" } }];
  const code = await links.link({ default_url: HOME, targets });
  const location = (await links.visit(code, {}, "?u=ada")).headers.get("location")!;
  const token = new URL(location).searchParams.get("gl_token")!;
  const answer = await firstOpen(links, { token });
  assertEquals([answer.code, answer.user_id], [code, "ada"]);
  const again = async (minutes: number) => {
    await links
      .sql`update clicks set claimed_at = now() - make_interval(mins => ${minutes}) where token = ${token}`;
    return await firstOpen(links, { token });
  };
  assertEquals(await again(59), answer);
  // Holding on to it does not make it last: the hour began with the first answer.
  const [{ age }] = await links.sql`select extract(minutes from now() - claimed_at)::int as age from clicks`;
  assertEquals(age, 59);
  await links.sql`update clicks set at = at - interval '40 days'`;
  assertEquals((await again(1)).code, code, "a click that became too old meanwhile");
  assertEquals(await again(61), "claim_used");
  await links.sql`update clicks set claimed_at = null`;
  assertEquals(await firstOpen(links, { token }), "claim_unknown", "a click that was too old before");
});

linksTest("a lost answer is given again, also by fingerprint", async (links) => {
  const code = await links.link({ default_url: HOME, fingerprint: true });
  await links.visit(code, { "x-real-ip": "203.0.114.7" });
  links.loseAnswer("claim_click");
  const open = { fingerprint: { platform: "ios" } };
  const lost = await firstOpen(links, open);
  const given = typeof lost === "string" ? await firstOpen(links, open) : lost;
  assertEquals([given.code, given.confidence], [code, "fingerprint"]);
  const both = await Promise.all([firstOpen(links, open), firstOpen(links, open)]);
  assertEquals(both, [given, given]);
  await links.sql`update clicks set claimed_at = now() - interval '61 minutes'`;
  assertEquals(await firstOpen(links, open), "claim_unknown");
});

linksTest("of concurrent claims of one click exactly one gets it", async (links) => {
  const code = await links.link({ default_url: HOME, fingerprint: true });
  await links.visit(code, { "x-real-ip": "203.0.114.7" });
  await links.flush();
  const answers = await Promise.all(
    ["a", "b", "c", "d"].map((program) =>
      firstOpen(links, { fingerprint: { platform: "ios" } }, undefined, program)
    ),
  );
  assertEquals(answers.filter((answer) => answer.code === code).length, 1);
  assertEquals(answers.filter((answer) => answer === "claim_unknown").length, 3);
});

linksTest("an erased person is not named by a claim that was answered before", async (links) => {
  const targets = [{ app: { url: "https://www.example.com/p/7" } }];
  const code = await links.link({ default_url: HOME, targets, fingerprint: true });
  const location = (await links.visit(code, { "x-real-ip": "203.0.114.7" }, "?u=ada")).headers.get(
    "location",
  )!;
  const token = new URL(location).searchParams.get("gl_token")!;
  const open = { fingerprint: { platform: "ios" } };
  await links.flush();
  assertEquals((await firstOpen(links, open)).user_id, "ada");
  const [{ erased }] = await links
    .sql`select erased from private.personal_data() where relation = 'public.clicks'`;
  await links.sql.unsafe(`update clicks ${erased}`);
  for (const body of [open, { token }]) assertEquals(await firstOpen(links, body), "claim_unknown");
});

const MAC =
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15";
const LINUX =
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";

linksTest(
  "devices are matched by their browsers' description, first by the identical one",
  async (links) => {
    const code = await links.link({ default_url: HOME, fingerprint: true });
    const other = await links.link({ default_url: HOME, fingerprint: true });
    const cases: [agents: string[], platform: string, expected: string][] = [
      [[IPHONE], "ios", code],
      [[MAC], "ios", code], // an iPad as a Mac
      [[LINUX], "android", code], // a tablet that asks for the pages of a computer
      [[IPHONE, MAC], "ios", code], // the Mac of the same home
      [[MAC], "android", "claim_unknown"],
      [[IPHONE], "macos", "claim_unknown"],
      [[LINUX], "ios", "claim_unknown"],
    ];
    for (const [i, [agents, platform, expected]] of cases.entries()) {
      const ip = `93.184.216.${i + 1}`;
      for (const [n, agent] of agents.entries()) {
        await links.visit(n === 0 ? code : other, { "x-real-ip": ip, "user-agent": agent });
      }
      await links.flush();
      const answer = await firstOpen(links, { fingerprint: { platform } }, ip);
      assertEquals(answer.code ?? answer, expected, `${agents} as ${platform}`);
    }
  },
);

linksTest("networks are matched as subscribers have them: an IPv4 address or an IPv6 /64", async (links) => {
  const code = await links.link({ default_url: HOME, fingerprint: true });
  const cases: [click: string, open: string, isSame: boolean][] = [
    ["2606:2800:220:1::1", "2606:2800:220:1:ffff::2", true],
    ["2606:2800:220:2::1", "2606:2800:220:3::1", false],
    ["::ffff:93.184.216.40", "93.184.216.40", true],
    ["93.184.216.41", "93.184.216.42", false],
    ["2606:2800:220:4::1", "93.184.216.43", false],
  ];
  for (const [click, open, isSame] of cases) {
    await links.visit(code, { "x-real-ip": click });
    await links.flush();
    const answer = await firstOpen(links, { fingerprint: { platform: "ios" } }, open);
    assertEquals(answer.code ?? answer, isSame ? code : "claim_unknown", `${click}, ${open}`);
  }
});

linksTest(
  "two audience users with one link and one network are too ambiguous for a fingerprint",
  async (links) => {
    const code = await links.link({ default_url: HOME, fingerprint: true });
    const visit = (user: string, ip: string) => links.visit(code, { "x-real-ip": ip }, `?u=${user}`);
    await visit("ada", "93.184.216.50");
    await visit("bob", "93.184.216.50");
    await visit("eve", "93.184.216.51");
    await links.flush();
    const open = { fingerprint: { platform: "ios" } };
    assertEquals(await firstOpen(links, open, "93.184.216.50"), "claim_unknown");
    assertEquals((await firstOpen(links, open, "93.184.216.51")).user_id, "eve");
  },
);

linksTest(
  "a claim tells the app where the click led, and waits until the click is stored",
  async (links) => {
    await links.allow("app.example.com");
    const code = await links.link({
      default_url: HOME,
      targets: [
        { when: { platform: "android" }, app: { url: "https://app.example.com/android" } },
        { when: { query: { src: "mail" } }, url: `${HOME}mail` },
        { app: { url: "https://app.example.com/offer?id=7" } },
      ],
    });
    const tokenOf = async (headers = {}) => {
      const { headers: answered } = await links.visit(code, headers);
      return new URL(answered.get("location")!).searchParams.get("gl_token")!;
    };
    // Nothing is flushed here.
    const ios = await firstOpen(links, { token: await tokenOf() });
    assertEquals([ios.url, ios.app_url], [HOME, "https://app.example.com/offer?id=7"]);
    const android = await firstOpen(links, { token: await tokenOf({ "user-agent": ANDROID }) });
    assertEquals(android.app_url, "https://app.example.com/android");
    const token = await tokenOf();
    await links.sql`delete from destination_allowlist where pattern = 'app.example.com'`;
    await links.refresh();
    const withheld = await firstOpen(links, { token });
    assertEquals([withheld.url, withheld.app_url], [HOME, undefined], "the allowlist is asked at each claim");
    const other = links.isolate();
    const { status } = await other.call("/claim", {
      method: "POST",
      open: true,
      body: { token: "abcdefgh234567ab" },
    });
    assertEquals(
      [status, other.calls.get("claim_click")],
      [404, 2],
      "what another isolate holds is waited for",
    );
  },
);

linksTest("claims of one client are rate limited", async (links) => {
  // At once: one comes back every ten seconds, and each of these looks twice.
  const answers = await Promise.all(
    Array.from({ length: 22 }, () => firstOpen(links, { token: "aaaaaaaaaaaaaaaa" })),
  );
  assertEquals(answers.filter((code) => code === "rate_limited").length, 2);
});

databaseTest("hot queries use indexes, whatever the planner estimates for new tables", async (sql) => {
  await sql`insert into links (code, request_hash, default_url, tags, utm)
    select 'c' || i, 'h', ${HOME}, array['t' || i % 500], jsonb_build_object('campaign', 'k' || i % 500) from generate_series(1, 20000) i`;
  await sql`insert into clicks (code, at, verdict, target, platform, token, user_id, fingerprint)
    select 'c' || i % 20000, now() - i * interval '1 second', 'human', 'app', 'ios', lpad(i::text, 16, 'a'), 'u' || i, i
    from generate_series(1, 40000) i`;
  await sql`insert into link_guesses select 'c' || i % 2000 + 1, date_trunc('hour', now()) - i / 2000 * interval '1 hour', 1
    from generate_series(1, 40000) i`;
  await sql`insert into private.link_guessers select 'c' || i % 200, 'n' || i, 1, now(), now(), true
    from generate_series(1, 20000) i`;
  await sql`analyze links, clicks, link_guesses, private.link_guessers`;
  const plan = async (query: string) => {
    const rows = await sql.unsafe(`explain (costs off) ${query}`);
    return rows.map((row) => row["QUERY PLAN"]).join("\n");
  };
  const queries: [uses: string, query: string][] = [
    ["links_pkey", "select * from links where code = any (array['c1', 'c2'])"],
    ["links_changed_idx", "select code from links where changed_in >= pg_current_xact_id()"],
    [
      "links_newest_idx",
      "select * from links where state <> 'deleted' order by created_at desc, code desc limit 50",
    ],
    ["links_tags_idx", "select * from links where tags @> array['t1']"],
    ["links_campaign_idx", "select * from links where campaign = 'k1'"],
    ["links_pkey", "select from links l where l.code > 'c12' and l.code < 'c12~'"],
    [
      "clicks_link_idx on clicks c",
      "select ctid from clicks c where code = 'c1' and at = now() and verdict = 'human' and visitor is not distinct from 7 limit 1 for update",
    ],
    [
      "link_guesses_pkey",
      "select sum(wrong) from link_guesses where code = 'c1' and hour >= now() - interval '1 hour'",
    ],
    [
      "link_guesses_hour_idx",
      "select code from link_guesses where hour >= now() - interval '1 hour' group by code",
    ],
    ["link_guessers_pkey", "select from private.link_guessers where code = 'c1' and client = 'n1'"],
    [
      "clicks_link_idx",
      "select count(distinct visitor) from clicks where code = 'c1' and at >= now() - interval '1 day'",
    ],
    ["clicks_token_idx", "select * from clicks where token = 'aaaaaaaaaaaaaaa1'"],
    [
      "clicks_user_idx",
      "select * from clicks where user_id = 'u1' and token is not null and at > now() - interval '1 day' order by at desc limit 1",
    ],
    [
      "clicks_fingerprint_idx",
      "select * from clicks where fingerprint = 1 and at > now() - interval '1 hour'",
    ],
  ];
  for (const [uses, query] of queries) {
    const found = await plan(query);
    assert(found.includes(uses), `${query}\n${found}`);
  }
  // Some 80 codes for each character: each by the key, and no table read whole.
  const scans = async () => {
    await sql`select pg_stat_force_next_flush()`;
    return (await sql`select seq_scan::int as n from pg_stat_user_tables where relname = 'links'`)[0].n;
  };
  const before = await scans();
  for (const code of ["c1234x", "xc123", "summer-sale-of-the-year"]) {
    await sql`select private.is_misprint(${code})`;
  }
  assertEquals(await scans(), before);
});

databaseTest(
  "refresh_links: reports changed links, and nothing twice unless it changed again",
  async (sql) => {
    const refresh = async (since: string | null) => (await sql`select refresh_links(${since}) as r`)[0].r;
    const first = await refresh(null);
    assertEquals([first.changed, Object.keys(first.visitor_keys).length, first.cookie_key.length], [
      null,
      2,
      64,
    ]);
    await link(sql);
    const [{ changed_in }] = await sql`select changed_in::text from links`;
    // It is told again for as long as a transaction is open that is older, were it one of another test's database.
    const second = await until("no older transaction is open", async () => {
      const answer = await refresh(first.since);
      assertEquals(answer.changed, ["poster22"]);
      return BigInt(answer.since) > BigInt(changed_in) && answer;
    });
    assertEquals((await refresh(second.since)).changed, []);
    await sql`update links set uses = uses + 1`;
    assertEquals((await refresh(second.since)).changed, [], "a use is no change");
    await sql`update links set flag_key = 'x'`;
    assertEquals((await refresh(second.since)).changed, ["poster22"]);
    assertEquals((await refresh("18446744073709551615")).changed, null, "of another server: all anew");
    await sql`insert into links (code, request_hash, default_url) select 'm' || i, 'h', ${HOME} from generate_series(1, 1001) i`;
    assertEquals((await refresh(second.since)).changed, null, "too many to name");
  },
);

databaseTest("take_uses: never grants more than the remaining uses, under any concurrency", async (sql) => {
  await sql`insert into links (code, request_hash, default_url, max_uses) values ('a22', 'h', ${HOME}, 100), ('b22', 'h', ${HOME}, 3)`;
  const takes = Array.from({ length: 60 }, (_, i) => i % 2 === 0 ? { a22: 3, b22: 1 } : { b22: 1, a22: 3 });
  const granted = await Promise.all(
    takes.map(async (wanted) => (await sql`select take_uses(${sql.json(wanted)}) as g`)[0].g),
  );
  assertEquals(granted.reduce((sum, g) => sum + g.a22, 0), 100);
  assertEquals(granted.reduce((sum, g) => sum + g.b22, 0), 3);
  assertEquals((await sql`select take_uses('{"none": 1}') as g`)[0].g, { none: 0 });
});
