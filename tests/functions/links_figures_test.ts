/** Figures mean what they say: who a visitor is, which rule took a visit, a scan or a tap, whose day it is, and who is left out. */
import { linkStats } from "../../supabase/functions/_shared/contract/links.ts";
import { type Click, linesOf } from "../../supabase/functions/_shared/links/clicks/lines.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { ANDROID, type Links, linksTest, NUMBER } from "../support/links.ts";
import { rasterize, readQr } from "../support/qr.ts";

const HOME = "https://www.example.com/";
const A = `${HOME}a`, B = `${HOME}b`;
const HALVES = [{ when: { weight: 50 }, url: A }, { when: { weight: 50 }, url: B }];

async function statsOf(links: Links, code: string, query = "") {
  await links.flush();
  const { status, body } = await links.call(`/${code}/stats${query}`);
  assertEquals(status, 200, JSON.stringify(body));
  return linkStats.parse(body);
}

/** Where a visit from an address goes. */
async function go(
  links: Links,
  code: string,
  address: string,
  headers: Record<string, string> = {},
  query = "",
) {
  const response = await links.visit(code, { "x-real-ip": address, ...headers }, query);
  return { to: response.headers.get("location"), cookie: response.headers.get("set-cookie") };
}

const clicks = (links: Links, ...rows: (Partial<Click> & { code: string })[]) =>
  links.sql`select record_clicks(${crypto.randomUUID()}, 3, ${
    linesOf(rows.map((row) => ({ t: Date.now(), p: "ios", h: "00000000000000aa", ...row })))
  })`;

linksTest("an address is one visitor in any spelling, and so is an IPv6 network", async (links) => {
  const code = await links.link({ default_url: HOME });
  const iphone = [
    ...Array(3).fill("93.184.216.50"),
    "::ffff:93.184.216.50",
    "::ffff:5db8:d832",
    "93.184.216.50:4711",
    "2606:2800:220:1::1",
    "2606:2800:220:1::2",
    "2606:2800:0220:0001:ffff::9",
    "[2606:2800:220:1::3]:4711",
  ];
  for (const address of iphone) await go(links, code, address);
  await go(links, code, "93.184.216.50", { "user-agent": ANDROID });
  const { clicks: { human }, visitors } = await statsOf(links, code);
  assertEquals([human, visitors], [iphone.length + 1, 3]);
  await go(links, code, "2606:2800:220:2::1");
  assertEquals((await statsOf(links, code)).visitors, 4, "another network");
});

linksTest("visits and visitors differ: twenty visits of one person are one visitor", async (links) => {
  const code = await links.link({ default_url: HOME });
  for (let i = 0; i < 20; i++) await go(links, code, "93.184.216.50");
  const { clicks: { human }, visitors, days: [day] } = await statsOf(links, code);
  assertEquals([human, visitors, day.human, day.visitors], [20, 1, 20, 1]);
});

linksTest("figures show which rule matched, before and after the day's roll-up", async (links) => {
  const code = await links.link({
    default_url: HOME,
    targets: [
      { when: { platform: "android" }, whatsapp: { phone_number_id: NUMBER.id, text: "Hi" } },
      { when: { query: { x: true } }, url: A },
    ],
    expired_url: B,
  });
  await go(links, code, "93.184.216.1", { "user-agent": ANDROID });
  for (let i = 0; i < 2; i++) await go(links, code, `93.184.216.${i}`, {}, "?x=1");
  for (let i = 0; i < 3; i++) await go(links, code, `93.184.216.${i}`);
  await links.call(`/${code}`, { method: "PATCH", body: { state: "disabled" } });
  await go(links, code, "93.184.216.9");
  const rules = { 0: 1, 1: 2, default: 3, fallback: 1 };
  const before = await statsOf(links, code);
  assertEquals(before.rules, rules);
  assertEquals(before.targets, { whatsapp: 1, web: 5, fallback: 1 });
  await links.sql`update clicks set at = at - interval '1 day'`;
  await links.sql`update click_counts set day = day - 1`;
  await links.sql`select private.roll_up_clicks(now())`;
  const after = await statsOf(links, code);
  assertEquals([after.rules, after.sources, after.clicks], [rules, before.sources, before.clicks]);
});

linksTest("figures of a weighted test add up, with each visitor in one arm", async (links) => {
  const code = await links.link({ default_url: HOME, targets: HALVES });
  const arms: Record<string, number> = { 0: 0, 1: 0 };
  for (let i = 0; i < 30; i++) {
    const { to } = await go(links, code, `93.184.216.${i}`);
    arms[to === A ? 0 : 1]++;
  }
  assertEquals((await statsOf(links, code)).rules, arms);
});

linksTest("a visitor without cookies stays in one arm all day", async (links) => {
  const code = await links.link({ default_url: HOME, targets: HALVES });
  const arms = new Set<string | null>();
  for (let visitor = 0; visitor < 12; visitor++) {
    const seen = new Set<string | null>();
    for (let i = 0; i < 10; i++) {
      const { to, cookie } = await go(links, code, `2606:2800:220:${visitor}::${i}`);
      assert(cookie !== null, "a cookie is offered");
      seen.add(to);
    }
    assertEquals(seen.size, 1, `visitor ${visitor}`);
    arms.add([...seen][0]);
  }
  assertEquals(arms.size, 2);
});

linksTest("the id in a cookie differs from the hash stored with clicks", async (links) => {
  const code = await links.link({ default_url: HOME, targets: HALVES });
  const { cookie } = await go(links, code, "93.184.216.50");
  await links.flush();
  const [{ visitor }] = await links.sql`select to_hex(visitor) as visitor from clicks`;
  const hash = (visitor as string).padStart(16, "0");
  const id = /gl_visitor=([a-p]{16})\./.exec(cookie!)![1];
  assert([...id].some((letter, i) => "abcdefghijklmnop".indexOf(letter) !== parseInt(hash[i], 16)));
});

linksTest("a QR code contains ?src=qr, and scans are counted separately from taps", async (links) => {
  const code = await links.link({ default_url: HOME });
  const passing = await links.link({ default_url: HOME, pass_query: true });
  const codeOf = async (query: string) => {
    const { body } = await links.call(`/${code}/qr.svg${query}`, { open: true });
    const { pixels, size } = rasterize(body);
    return readQr(pixels, size, size);
  };
  const url = `https://ref.example.co/functions/v1/deeplinks/${code}`;
  assertEquals(await codeOf("?src=qr"), `${url}?src=qr`);
  assertEquals(await codeOf(""), url);
  assertEquals((await links.call(`/${code}/qr.png?src=qr`, { open: true })).status, 200);
  assertEquals((await links.call(`/${code}/qr.svg?src=%22%3E`, { open: true })).status, 422);
  assertEquals((await go(links, code, "93.184.216.1", {}, "?src=qr")).to, HOME, "it is not passed on");
  assertEquals((await go(links, passing, "93.184.216.1", {}, "?src=qr&a=1")).to, `${HOME}?src=qr&a=1`);
  for (const query of ["", "?src=poster", "?xsrc=qr", "?src=qrx"]) {
    await go(links, code, "93.184.216.2", {}, query);
  }
  assertEquals((await statsOf(links, code)).sources, { qr: 1, link: 4 });
  assertEquals((await statsOf(links, passing)).sources, { qr: 1 });
});

linksTest("Sec-GPC: no cookie and no visitor hash, but the visit is counted", async (links) => {
  const ab = await links.link({
    default_url: HOME,
    targets: [...HALVES, { when: { visitor: "returning" }, url: A }],
  });
  const app = await links.link({ default_url: HOME, fingerprint: true, targets: [{ store: A }] });
  const address = "93.184.216.50", gpc = { "sec-gpc": "1" };
  const { cookie } = await go(links, ab, address);
  for (let i = 0; i < 3; i++) {
    assertEquals((await go(links, ab, address, gpc)).cookie, null);
    await go(links, app, address, { ...gpc, cookie: cookie!.split(";")[0] });
  }
  const { clicks: { human }, visitors } = await statsOf(links, ab);
  assertEquals([human, visitors], [4, 1]);
  assertEquals((await statsOf(links, app)).clicks.human, 3);
  const kept = await links
    .sql`select from clicks where code = ${app} and (visitor is not null or fingerprint is not null)`;
  assertEquals(kept.length, 0);
  // Still no more rows than of any visitor.
  for (let i = 0; i < 70; i++) await go(links, ab, address, gpc);
  const { clicks: more } = await statsOf(links, ab);
  const [{ rows }] = await links.sql`select count(*)::int as rows from clicks where code = ${ab}`;
  assertEquals(more.human, 74);
  assert(rows <= 62, `${rows} rows`);
});

linksTest("Sec-GPC is ignored if the setting says so, and other values have no effect", async (links) => {
  const code = await links.link({ default_url: HOME, targets: HALVES });
  assert((await go(links, code, "93.184.216.50", { "sec-gpc": "0" })).cookie !== null);
  await links.set("deeplinks.honour_gpc", "false");
  assert((await go(links, code, "93.184.216.50", { "sec-gpc": "1" })).cookie !== null);
});

linksTest("the team's clicks are counted separately, and their tokens work", async (links) => {
  await links.set("deeplinks.own_networks", "203.0.113.0/24, 2001:db8:1::/48");
  const code = await links.link({ whatsapp: { phone_number_id: NUMBER.id, text: "Hi" } });
  for (const address of ["203.0.113.9", "2001:db8:1:7::1", "203.0.114.9"]) {
    assert((await go(links, code, address)).to!.startsWith("https://wa.me/"));
  }
  const { clicks, visitors, platforms, targets, days: [day] } = await statsOf(links, code);
  assertEquals(clicks, { human: 1, own: 2, bot: 0, preview: 0, prefetch: 0 });
  assertEquals([visitors, platforms, targets, day.own], [1, { ios: 1 }, { whatsapp: 1 }, 2]);
  const [own] = await links.sql`select token from clicks where verdict = 'own' limit 1`;
  assertEquals(
    (await links.call("/claim", { method: "POST", open: true, body: { token: own.token } })).status,
    200,
  );
  // Further visits count on the last row, as with anybody.
  for (let i = 0; i < 70; i++) await go(links, code, "203.0.113.9");
  assertEquals((await statsOf(links, code)).clicks.own, 72);
});

linksTest("a team member's browser can be marked, and its clicks are counted separately", async (links) => {
  const word = "our-own-word", address = "93.184.216.50";
  const code = await links.link({ default_url: HOME, pass_query: true, targets: HALVES });
  const mark = async (query: string) => (await go(links, code, address, {}, query)).cookie ?? "";
  const own = async () => (await statsOf(links, code)).clicks.own;
  assert(!(await mark(`?gl_own=${word}`)).includes("gl_own"), "not without the setting");
  await links.set("deeplinks.own_key", word);
  for (const query of ["?gl_own=other-words", "?gl_own=", "?xgl_own=our-own-word"]) {
    assert(!(await mark(query)).includes("gl_own"), query);
  }
  assertEquals(await own(), 0);
  const cookie = await mark(`?a=1&gl_own=${word}`);
  assert(
    /^gl_own=[0-9a-f]{16}; Path=\/; SameSite=Lax; HttpOnly; Max-Age=31536000; Secure$/.test(cookie),
    cookie,
  );
  assertEquals(await own(), 1, "the visit that marks counts already");
  const { to } = await go(links, code, address, {}, `?a=1&gl_own=${word}`);
  assertEquals(new URL(to!).search, "?a=1", "the word is not handed on");
  const kept = cookie.split(";")[0];
  // Anywhere, also where the browser asks for privacy, beside other cookies.
  await go(links, code, "198.51.100.7", { cookie: `x=1; ${kept}; y=2` });
  await go(links, code, "198.51.100.7", { cookie: kept, "sec-gpc": "1" });
  assertEquals(await own(), 4);
  for (const forged of ["gl_own=0123456789abcdef", "gl_own=", `x${kept}`, `${kept}0`]) {
    await go(links, code, address, { cookie: forged });
  }
  assertEquals(await own(), 4);
  const off = await go(links, code, address, { cookie: kept }, "?gl_own=off");
  assert(/^gl_own=;.*Max-Age=0/.test(off.cookie!), off.cookie!);
  assertEquals(await own(), 4);
  // Another word makes all marks void, and none is read without a word.
  await links.set("deeplinks.own_key", "another-word");
  await go(links, code, address, { cookie: kept });
  await links.set("deeplinks.own_key", "");
  await go(links, code, address, { cookie: kept });
  assertEquals(await own(), 4);
});

linksTest("invalid settings of a network and a time zone are refused", async ({ sql }) => {
  const refused: [string, string][] = [
    ["deeplinks.own_networks", "the office"],
    ["deeplinks.own_networks", "203.0.113.0/99"],
    ["deeplinks.own_key", "short"],
    ["deeplinks.own_key", "with blanks in it"],
    ["team.zone", "Mars/Base"],
    ["team.zone", "UTC+3"],
    ["team.zone", ""],
  ];
  for (const [key, value] of refused) {
    const told = await sql`insert into settings (key, value) values (${key}, ${value})`.then(
      () => "taken",
      () => "refused",
    );
    assertEquals(told, "refused", `${key} = ${value}`);
  }
  for (
    const [key, value] of [["deeplinks.own_networks", ""], ["team.zone", "America/Argentina/Buenos_Aires"]]
  ) {
    await sql`insert into settings (key, value) values (${key}, ${value})`;
  }
});

linksTest(
  "days are in the team's time zone, also across clock changes, and stay so in roll-ups",
  async (links) => {
    await links.set("team.zone", "Europe/Berlin");
    const code = await links.link({ default_url: HOME });
    // The 25th of October 2026 has 25 hours, from 22:00 UTC of the day before.
    const at = (time: string) => ({ code, t: Date.parse(time) });
    await clicks(
      links,
      at("2026-10-24T21:59:59.999Z"),
      at("2026-10-24T22:00:00Z"),
      at("2026-10-25T22:59:59.999Z"),
      { ...at("2026-10-25T23:00:00Z"), v: "bot" },
      at("2026-10-25T23:00:00Z"),
    );
    const days = async () =>
      (await statsOf(links, code, "?from=2026-10-24&to=2026-10-26")).days
        .map(({ day, human, bot, visitors }) => [day, human, bot, visitors]);
    const expected = [["2026-10-24", 1, 0, 1], ["2026-10-25", 2, 0, 1], ["2026-10-26", 1, 1, 1]];
    assertEquals(await days(), expected);
    await links.sql`select private.roll_up_clicks(now())`;
    assertEquals(await days(), expected);
    const { zone, from, to } = await statsOf(links, code, "?to=2026-10-26&last=3");
    assertEquals([zone, from, to], ["Europe/Berlin", "2026-10-24", "2026-10-26"]);
    assertEquals((await links.call(`/${code}/stats?last=3&from=2026-10-24`)).status, 422);
  },
);

linksTest("figures by the days of a requested zone are computed from the clicks", async (links) => {
  await links.set("team.zone", "Europe/Berlin");
  const code = await links.link({ default_url: HOME });
  const today = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);
  const at = (time: string, more: Partial<Click> = {}) => ({
    code,
    t: Date.parse(`${today}T${time}`),
    ...more,
  });
  await clicks(
    links,
    at("02:59:59.999Z", { h: "00000000000000ab" }),
    at("03:00:00Z", { y: "DE", n: "0" }),
    at("21:00:00Z", { v: "bot" }),
    at("22:00:00Z", { v: "own" }),
    at("23:30:00Z", { q: "1" }),
  );
  const zoned = (zone: string, more = "") =>
    statsOf(links, code, `?last=9&tz=${encodeURIComponent(zone)}${more}`);
  // Three hours behind UTC all year.
  const there = await zoned("America/Argentina/Buenos_Aires");
  assertEquals(there.zone, "America/Argentina/Buenos_Aires");
  assertEquals(
    there.days.map(({ human, bot, own, visitors }) => [human, bot, own, visitors]),
    [[1, 0, 0, 1], [2, 1, 1, 1]],
  );
  assertEquals(there.days[1].day, today);
  const { clicks: sum, countries, rules, sources } = there;
  assertEquals(sum, { human: 3, bot: 1, own: 1, preview: 0, prefetch: 0 });
  assertEquals([countries, rules, sources], [{ DE: 1, "": 2 }, { 0: 1, default: 2 }, { qr: 1, link: 2 }]);
  // The same clicks, whatever zone they are divided by, before and after the day is rolled up.
  const zones = ["UTC", "asia/kolkata", "Pacific/Kiritimati", "Etc/GMT+12", "Europe/Berlin"];
  for (const zone of zones) assertEquals((await zoned(zone)).clicks, sum, zone);
  await links.sql`select private.roll_up_clicks(now() + interval '2 days')`;
  for (const zone of zones) assertEquals((await zoned(zone)).clicks, sum, zone);
  // It says from which day on it can tell, and the team's own zone reaches back further.
  const far = await statsOf(links, code, "?last=3000&tz=America/New_York");
  const days = (Date.parse(far.to) - Date.parse(far.from)) / 86_400_000;
  assert(days >= 88 && days <= 91, `${far.from} to ${far.to}`);
  assertEquals((await statsOf(links, code, "?last=3000&tz=Europe/Berlin")).days.length, 2);
  const past = await links.call(`/${code}/stats?from=2020-01-01&to=2020-02-01&tz=America/New_York`);
  assertEquals(past.status, 422);
  assert(past.body.detail.includes(far.from), past.body.detail);
  for (const zone of ["", "Mars/Base", "+05:00", "UTC+3", "EST5EDT4,M3", "x'; select 1"]) {
    const { status } = await links.call(`/${code}/stats?tz=${encodeURIComponent(zone)}`);
    assertEquals(status, 422, zone);
  }
});

linksTest(
  "a visitor before and after midnight UTC is one if the team's day is the same",
  async (links) => {
    await links.set("team.zone", "Pacific/Kiritimati");
    const code = await links.link({ default_url: HOME });
    // 14 hours ahead: noon there is ten at night in UTC.
    const today = new Date(Date.now() + 14 * 3_600_000).toISOString().slice(0, 10);
    const noon = Date.parse(`${today}T12:00:00+14:00`);
    for (const hours of [-3, 3]) {
      links.time = noon + hours * 3_600_000;
      await go(links, code, "93.184.216.50");
    }
    links.time = undefined;
    const { days, visitors } = await statsOf(links, code);
    assertEquals([days.map(({ day, human }) => [day, human]), visitors], [[[today, 2]], 1]);
    assertEquals((await statsOf(links, code)).to, today);
  },
);
