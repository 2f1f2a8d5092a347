/** What keeps codes from being walked through and passwords from being guessed, and whom it leaves alone. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { IPHONE, type Links, linksTest } from "../support/links.ts";
import { until } from "../support/until.ts";

const HOME = "https://www.example.com/";
const IP = { "x-real-ip": "203.0.114.7" }, FORM = "application/x-www-form-urlencoded";
const code = async (response: Response) => (await response.json()).code;

linksTest(
  "unknown codes are counted, and a client that tries many is refused for every code",
  async (links) => {
    const other = links.isolate();
    const made = await links.link({ default_url: HOME });
    const tries = await Promise.all(Array.from({ length: 21 }, (_, i) => links.visit(`walk-${i}`, IP)));
    assertEquals(tries.every(({ status }) => status === 404), true);
    const refused = await links.visit(made, IP);
    assertEquals([refused.status, await code(refused)], [429, "rate_limited"]);
    assertMatch(refused.headers.get("retry-after")!, /^[1-5]$/);
    assertEquals((await links.visit(made, { "x-real-ip": "198.51.101.9" })).status, 302, "others are not");
    await links.flush();
    await until(
      "all are counted",
      async () => (await links.sql`select sum(visits)::int as n from orphan_visits`)[0].n === 21,
    );
    // The other isolate learns from the database at the client's first unknown code.
    assertEquals((await other.visit("walk-x", IP)).status, 404);
    await until("the other refuses too", async () => (await other.visit(made, IP)).status === 429);
  },
);

linksTest("misprints that many people type cost each of them one", async (links) => {
  for (let i = 0; i < 40; i++) assertEquals((await links.visit("misprint", IP)).status, 404);
  await until(
    "all are counted",
    async () => (await links.sql`select visits::int as n from orphan_visits`)[0]?.n === 40,
  );
});

linksTest("what browsers ask for by themselves locks nobody out: no code is learnt by it", async (links) => {
  const made = await links.link({ default_url: HOME });
  const files = ["favicon.ico", "robots.txt", "apple-touch-icon.png", "apple-touch-icon-precomposed.png"];
  for (let i = 0; i < 40; i++) {
    assertEquals((await links.visit("favicon.ico", IP)).status, 404);
    assertEquals((await links.visit(`${i}-${files[i % files.length]}`, IP)).status, 404);
  }
  // Counted all the same, and nobody's limit was taken from.
  await until(
    "all are counted",
    async () => (await links.sql`select sum(visits)::int as n from orphan_visits`)[0].n === 80,
  );
  assertEquals([...await links.sql`select key from rate_limits where key like 'orphan:%'`], []);
  assertEquals((await links.visit(made, IP)).status, 302);
});

linksTest("a name that every object has is a code, a method and a header like any other", async (links) => {
  for (const name of ["constructor", "tostring", "__proto__", "hasownproperty", "valueof"]) {
    const made = await links.link({ code: name, default_url: HOME, max_uses: 1 }).catch(() => undefined);
    const answers = [await links.visit(name), await links.visit(name)].map(({ status }) => status);
    assert(made !== undefined || name === "__proto__", `${name} is a code`);
    assertEquals(answers, made === undefined ? [404, 404] : [302, 410], name);
  }
  for (const method of ["toString", "constructor", "hasOwnProperty", "__proto__"]) {
    assertEquals((await links.call("/any", { method, open: true })).body.code, "method_not_allowed", method);
    const headers = { origin: "https://a.example", "access-control-request-method": method };
    assertEquals((await links.call("/any", { method: "OPTIONS", open: true, headers })).status < 500, true);
  }
});

linksTest("without an address that can be trusted nobody is limited", async (links) => {
  for (let i = 0; i < 60; i++) {
    assertEquals((await links.visit(`walk-${i}`, { "x-forwarded-for": "203.0.114.7" })).status, 404);
  }
});

linksTest(
  "a password opens the link by POST, is never in an address, and cannot be guessed for long",
  async (links) => {
    const made = await links.link({ default_url: HOME, password: "open sesame", max_uses: 2 });
    const post = (body: string, type: string, headers = {}) =>
      links.call(`/${made}`, {
        method: "POST",
        open: true,
        body,
        headers: { "content-type": type, "user-agent": IPHONE, ...headers },
      });
    const form = "application/x-www-form-urlencoded";
    assertEquals((await links.visit(made, {}, "?password=open+sesame")).status, 401);
    const opened = await post("password=open+sesame", form);
    assertEquals([opened.status, opened.headers.get("location")], [303, HOME]);
    assertEquals((await post(JSON.stringify({ password: "open sesame" }), "application/json")).status, 303);
    assertEquals(
      (await post("password=open+sesame", form)).body.code,
      "link_used_up",
      "uses count behind the password too",
    );
    assertEquals((await post("password=wrong", form, IP)).body.code, "link_password_wrong");
    for (const bad of ["", "password=", "{"]) assertEquals((await post(bad, form)).status, 422);
    const guesses = await Promise.all(Array.from({ length: 8 }, () => post("password=guess", form, IP)));
    assertEquals(guesses.filter(({ status }) => status === 429).length, 4);
    assertEquals(
      (await post("password=guess", form, { "x-real-ip": "198.51.101.9" })).status,
      403,
      "a client of its own",
    );
    const [{ hash }] = await links.sql`select hash from private.link_passwords`;
    assertMatch(hash, /^scrypt\$/);
    const shown = JSON.stringify((await links.call("")).body);
    assert(!shown.includes("sesame") && !shown.includes("scrypt"));
  },
);

const unlock = (links: Links, code: string, password: string, headers = {}) =>
  links.call(`/${code}`, {
    method: "POST",
    open: true,
    body: `password=${password}`,
    headers: { "content-type": FORM, "user-agent": IPHONE, ...headers },
  });

linksTest(
  "a right password costs no guess: as many as like may come in, from one network too",
  async (links) => {
    const made = await links.link({ default_url: HOME, password: "open sesame" });
    for (let i = 0; i < 40; i++) {
      const headers = i % 2 === 0 ? IP : { "x-real-ip": `198.51.${100 + i}.9` };
      assertEquals((await unlock(links, made, "open+sesame", headers)).status, 303, `visitor ${i}`);
    }
    const [{ ahead }] = await links.sql`
    select count(*)::int as ahead from rate_limits where key like 'link_password:%' and tat > now() + interval '1 second'`;
    assertEquals(ahead, 0, "every take was given back");
  },
);

linksTest(
  "wrong passwords from everywhere are limited for the link, and given back are free again",
  async (links) => {
    const made = await links.link({ default_url: HOME, password: "open sesame" });
    // In one statement: what is regained meanwhile is next to nothing.
    const guess = async () => {
      const [{ n }] = await links.sql`
      select count(*) filter (where (take_password_attempt(${made}, 'client ' || i) ->> 'allowed')::boolean)::int as n
      from generate_series(1, 60) i`;
      return n;
    };
    const first = await guess();
    assert(first >= 30 && first < 60, `${first} of 60 were allowed`);
    await links
      .sql`select return_password_attempt(${made}, 'client ' || i) from generate_series(1, ${first}::int) i`;
    const again = await guess();
    assert(again >= 30 && again < 60, `${again} of 60 were allowed once they were given back`);
  },
);
