/** What keeps codes from being walked through and passwords from being guessed, and whom it leaves alone. */
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { keptOf } from "../../supabase/functions/_shared/links/limits/misprints.ts";
import { databaseTest } from "../support/database.ts";
import { IPHONE, type Links, linksTest } from "../support/links.ts";
import { until } from "../support/until.ts";

const HOME = "https://www.example.com/";
const IP = { "x-real-ip": "203.0.114.7" }, FORM = "application/x-www-form-urlencoded";
const code = async (response: Response) => (await response.json()).code;

linksTest(
  "unknown codes are counted, and a client that tries many is refused every code",
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

linksTest("a misprint typed by many people costs each of them one attempt", async (links) => {
  for (let i = 0; i < 40; i++) assertEquals((await links.visit("misprint", IP)).status, 404);
  await until(
    "all are counted",
    async () => (await links.sql`select visits::int as n from orphan_visits`)[0]?.n === 40,
  );
});

linksTest("requests that browsers make themselves lock nobody out, and reveal no code", async (links) => {
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

linksTest("a name that every JavaScript object has is an ordinary code, method and header", async (links) => {
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

linksTest(
  "a network that floods one link is refused there, on every route to it, and nowhere else",
  async (links) => {
    links.time = Math.floor(Date.now() / 60_000) * 60_000 + 15_000;
    const made = await links.link({ default_url: HOME, password: "open sesame" });
    const other = await links.link({ default_url: HOME });
    await links.set("deeplinks.visits_per_second", "0.2");
    const statuses: number[] = [];
    for (let i = 0; i < 14; i++) statuses.push((await links.visit(other, IP)).status);
    assertEquals(statuses, [...Array(12).fill(302), 429, 429]);
    const refused = await links.visit(other, IP);
    assertEquals([await code(refused), refused.headers.get("retry-after")], ["rate_limited", "45"]);
    assertEquals((await links.call(`/${other}/qr.svg`, { open: true, headers: IP })).status, 429);
    assertEquals((await unlock(links, other, "any", IP)).status, 429);
    assertEquals((await unlock(links, made, "open+sesame", IP)).status, 303, "another link");
    assertEquals((await links.visit(other, { "x-real-ip": "203.0.114.8" })).status, 302, "another network");
    for (let i = 0; i < 12; i++) await links.visit(other, { "x-real-ip": `2001:db8:7:7::${i}` });
    assertEquals(
      (await links.visit(other, { "x-real-ip": "2001:db8:7:7:1::1" })).status,
      429,
      "one /64 is one network",
    );
    await links.flush();
    const [{ n }] = await links.sql`select sum(visits)::int as n from clicks where code = ${other}`;
    assertEquals(n, 25, "what was refused is no visit");
    links.time += 45_000;
    assertEquals((await links.visit(other, IP)).status, 302, "a minute later");
  },
);

linksTest(
  "people behind one carrier address do not count as a flood: 1,200 visits per minute",
  async (links) => {
    links.time = Math.floor(Date.now() / 60_000) * 60_000;
    const made = await links.link({ default_url: HOME });
    const statuses = new Map<number, number>();
    for (let i = 0; i < 1300; i++) {
      const { status } = await links.visit(made, IP);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
    assertEquals([...statuses], [[302, 1200], [429, 100]]);
  },
);

linksTest("without a trustworthy address nobody is limited", async (links) => {
  for (let i = 0; i < 60; i++) {
    assertEquals((await links.visit(`walk-${i}`, { "x-forwarded-for": "203.0.114.7" })).status, 404);
  }
});

linksTest(
  "a password opens the link by POST, never appears in a URL, and guessing is limited",
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
    assertEquals(guesses.filter(({ status }) => status === 403).length, 4, "five in all");
    const refused = guesses.find(({ status }) => status === 429)!;
    assertMatch(refused.headers.get("retry-after")!, /^([1-9]|10)$/);
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

const unlock = (links: Pick<Links, "call">, code: string, password: string, headers = {}) =>
  links.call(`/${code}`, {
    method: "POST",
    open: true,
    body: `password=${password}`,
    headers: { "content-type": FORM, "user-agent": IPHONE, ...headers },
  });

linksTest(
  "a correct password uses no attempt: many people with it may come at once, also from one network",
  async (links) => {
    const made = await links.link({ default_url: HOME, password: "open sesame" });
    const visitors = Array.from(
      { length: 24 },
      (_, i) => i % 4 === 0 ? { "x-real-ip": `198.51.${100 + i}.9` } : IP,
    );
    const answers = await Promise.all(visitors.map((headers) => unlock(links, made, "open+sesame", headers)));
    assertEquals(answers.map(({ status }) => status), visitors.map(() => 303));
    assertEquals([...await links.sql`select from private.link_guessers`], [], "every take was given back");
    assertEquals([...await links.sql`select from link_guesses`], []);
  },
);

linksTest("a guesser must wait, and locks nobody else out, also in other isolates", async (links) => {
  const made = await links.link({ default_url: HOME, password: "open sesame" });
  const other = await links.link({ default_url: HOME, password: "open sesame" });
  for (let i = 0; i < 40; i++) {
    await unlock(links, made, `guess+${i}`, { "x-real-ip": `198.51.${100 + i}.9` });
  }
  const [{ wrong }] = await links.sql`select sum(wrong)::int as wrong from link_guesses where code = ${made}`;
  assertEquals(wrong, 40);
  const isolate = links.isolate();
  const from = (ip: string, password: string, code = made, of: Pick<Links, "call"> = links) =>
    unlock(of, code, password, { "x-real-ip": ip });
  assertEquals((await from("203.0.114.7", "open+sesame")).status, 303, "a network that did not guess");
  assertEquals((await from("203.0.114.7", "open+sesame", made, isolate)).status, 303);
  assertEquals((await from("203.0.114.8", "wrong+one")).status, 403);
  const again = await from("203.0.114.8", "open+sesame", made, isolate);
  assertEquals(
    [again.status, again.body.code],
    [429, "rate_limited"],
    "one that did, while the link is guessed at",
  );
  assertMatch(again.headers.get("retry-after")!, /^([1-5]?\d|60)$/);
  assertEquals((await from("203.0.114.8", "open+sesame", other)).status, 303, "each link by itself");
  // Of IPv6 who has one network has 65,536.
  assertEquals((await from("2001:db8:77:1::1", "wrong+two")).status, 403);
  assertEquals((await from("2001:db8:77:2::1", "wrong+three")).status, 429);
  assertEquals((await links.sql`select guessed_links() as g`)[0].g, [{ code: made, wrong: 42 }]);
});

linksTest("typed passwords are stored nowhere, only the number of wrong ones", async (links) => {
  const made = await links.link({ default_url: HOME, password: "open sesame" });
  await unlock(links, made, "my+bank+pin+47110815", IP);
  await links.flush();
  const kept = (await everything(links.sql)).filter((row) => /bank|47110815|203\.0\.114\.7/.test(row));
  assertEquals(kept, []);
});

linksTest("without a trustworthy address all clients share one budget of guesses", async (links) => {
  const made = await links.link({ default_url: HOME, password: "open sesame" });
  const answers = await Promise.all(Array.from({ length: 22 }, () => unlock(links, made, "guess")));
  assertEquals(answers.filter(({ status }) => status === 429).length, 2);
  assertEquals(Number(answers.find(({ status }) => status === 429)!.headers.get("retry-after")) <= 60, true);
});

/** Every row of every table, as text. */
async function everything(sql: Links["sql"]): Promise<string[]> {
  const tables = await sql`
    select format('%I.%I', table_schema, table_name) as name from information_schema.tables
    where table_schema in ('public', 'private') and table_type = 'BASE TABLE'`;
  const rows: string[] = [];
  for (const { name } of tables) {
    for (const { row } of await sql.unsafe(`select x::text as row from ${name} x`)) {
      rows.push(`${name} ${row}`);
    }
  }
  return rows;
}

linksTest(
  "nothing that a stranger puts into path, query, referrer or User-Agent is stored",
  async (links) => {
    const made = await links.link({ default_url: HOME });
    const locked = await links.link({ default_url: HOME, password: "open sesame" });
    const secrets = ["nora.feldkamp@mail.example", "4915112345678", "8f2c1a9bd4e07", "nora-feldkamp"];
    const written = (text: string) => {
      const once = encodeURIComponent(text);
      return [text, once, encodeURIComponent(once), btoa(text)];
    };
    for (const secret of secrets.flatMap(written)) {
      const headers = {
        referer: `https://news.example/${secret}?q=${secret}`,
        "user-agent": `Mozilla/5.0 ${secret}`,
      };
      assertEquals((await links.visit(secret, headers)).status, 404);
      for (const below of ["stats", "qr.png", "x"]) {
        await links.call(`/${secret}/${below}`, {
          open: true,
          headers,
        });
      }
      await links.visit(made, headers, `?mail=${secret}`);
      await unlock(links, locked, encodeURIComponent(secret), headers);
      await links.call("/claim", {
        method: "POST",
        open: true,
        headers,
        body: { clipboard: secret, token: secret },
      });
    }
    await links.flush();
    await until("all are counted", async () => {
      const [{ n }] = await links.sql`select coalesce(sum(visits), 0)::int as n from orphan_visits`;
      return n >= secrets.length * 4;
    });
    const forms = secrets.flatMap(written).flatMap((form) => [form, form.toLowerCase()]);
    const kept = (await everything(links.sql)).filter((row) => forms.some((form) => row.includes(form)));
    assertEquals(kept, []);
  },
);

databaseTest(
  "a network's wait grows with each wrong guess up to an hour, faster while the link is under attack",
  async (sql) => {
    await sql`insert into links (code, request_hash, default_url) values ('vault222', 'h', ${HOME}), ('other222', 'h', ${HOME})`;
    await sql`insert into private.link_passwords (code, hash) values ('vault222', 'x'), ('other222', 'x')`;
    let now = Date.parse("2026-11-21T10:00:00Z");
    const at = () => new Date(now).toISOString();
    const take = async (client: string | null, code = "vault222") =>
      (await sql`select private.take_password_attempt(${code}, ${client}, ${at()}) as t`)[0].t;
    const settle = (client: string | null, right: boolean) =>
      sql`select private.settle_password_attempt('vault222', ${client}, ${right}, ${at()})`;
    /** Guesses wrong as soon as that is looked at, and says how long each wait was in seconds. */
    const waits = async (client: string, n: number) => {
      const seconds: number[] = [];
      for (let i = 0; i < n; i++) {
        const { allowed, retry_after_ms } = await take(client);
        if (allowed) {
          await settle(client, false);
        } else {
          seconds.push(retry_after_ms / 1000);
          now += retry_after_ms;
          i--;
        }
      }
      return seconds;
    };
    assertEquals(await waits("a", 16), [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]);
    assertEquals((await take("b")).allowed, true, "another network");
    await settle("b", true);
    assertEquals((await sql`select from private.link_guessers where client = 'b'`).length, 0);
    assertEquals((await take("a", "other222")).allowed, true, "another link");

    // Twenty wrong ones in this hour and the one before: somebody guesses.
    now = Date.parse("2026-11-21T16:59:00Z");
    for (let i = 0; i < 19; i++) await waits(`n${i}`, 1);
    assertEquals((await waits("calm", 1)).length, 0);
    // And goes on from elsewhere.
    await sql`insert into link_guesses
      select 'vault222', h, 20 from generate_series(timestamptz '2026-11-21 17:00Z', '2026-11-22 02:00Z', '1 hour') h`;
    assertEquals(await waits("late", 9), [60, 120, 240, 480, 960, 1920, 3600, 3600]);
    now += 5000;
    assertEquals((await take("owner")).allowed, true);
    await settle("owner", true);
    // Who knows it behind the guesser's address gives back what was taken, and forgets nothing else.
    now += 3_600_000;
    assertEquals((await take("late")).allowed, true);
    await settle("late", true);
    const [{ guesses }] = await sql`select guesses from private.link_guessers where client = 'late'`;
    assertEquals(guesses, 9);

    const hours = await sql`select wrong from link_guesses where code = 'vault222' order by hour`;
    assertEquals(hours.reduce((sum, { wrong }) => sum + wrong, 0), 16 + 19 + 1 + 9 + 10 * 20);
    await sql`select private.purge_clicks('2026-11-23T12:00Z')`;
    assertEquals((await sql`select from private.link_guessers`).length, 0);
    await sql`select private.purge_clicks('2027-11-23T12:00Z')`;
    assertEquals((await sql`select from link_guesses`).length, 0);
  },
);

databaseTest("of concurrent guesses from one network five are checked", async (sql) => {
  await sql`insert into links (code, request_hash, default_url) values ('vault222', 'h', ${HOME})`;
  await sql`insert into private.link_passwords (code, hash) values ('vault222', 'x')`;
  const taken = await Promise.all(
    Array.from(
      { length: 30 },
      async () => (await sql`select take_password_attempt('vault222', 'a') as t`)[0].t,
    ),
  );
  assertEquals(taken.filter(({ allowed }) => allowed).length, 5);
  assertEquals(
    taken.filter(({ allowed, hash }) => !allowed && hash !== null).length,
    0,
    "no hash without a take",
  );
});

databaseTest(
  "only unknown codes that are one typo from a link's code are stored, never a name or a secret",
  async (sql) => {
    await sql`insert into links (code, request_hash, default_url) values ('summer-sale', 'h', ${HOME}), ('dem02345', 'h', ${HOME})`;
    const record = (...codes: string[]) =>
      sql`select record_orphans(${sql.json(codes.map((asked, which) => ({ code: keptOf(asked), which })))})`;
    const misprints = [
      "sumer-sale",
      "summmer-sale",
      "summre-sale",
      "sunmer-sale",
      "summer-sal",
      "summer",
      "demo2345",
      "dem0234",
    ];
    await record(
      ...misprints,
      "summer-sale-of-jo-doe",
      "jo-doe",
      "jo-doe",
      "hunter2",
      "jo@mail.example",
      "4915112345678",
    );
    const kept = async () =>
      Object.fromEntries(
        (await sql`select code, visits::int from orphan_visits`).map(({ code, visits }) => [code, visits]),
      );
    assertEquals(await kept(), {
      ...Object.fromEntries(misprints.map((code) => [code, 1])),
      "(other)": 4,
      "(e-mail address)": 1,
      "(number)": 1,
    });
    await record("sumer-sale", "jo-doe");
    assertEquals([(await kept())["sumer-sale"], (await kept())["(other)"]], [2, 5]);
    // However many new ones come at once.
    await record(
      ...Array.from(
        { length: 30 },
        (_, i) => `summer-sale${String.fromCharCode(97 + i % 26)}${i > 25 ? "x" : ""}`,
      ),
    );
    assert(Object.keys(await kept()).length <= 11 + 20);
  },
);
